// Common code of the tiled projection kernels: which tile a block computes, and how the two operands are
// copied.
#pragma once

#include <cstdint>

#include "cuda/common/operand_tile.cuh"
#include "cuda/device/block.cuh"
#include "cuda/projection/output.cuh"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

using ProjectionSums = SumTile<projection_tile, projection_tile>;

struct ProjectionCorner {
  int64_t row, column;
};

// Blocks that run at the same time share rows of x and of W in the second-level cache: eight tiles of rows
// pass through all columns together.
__device__ __forceinline__ ProjectionCorner corner_of_block(const ProjectionParameters& p) {
  constexpr uint32_t band = projection_band;
  const auto columns =
      static_cast<uint32_t>((p.last_column - p.first_column + projection_tile - 1) / projection_tile);
  const uint32_t first = block::index() / (band * columns) * band;
  const uint32_t rows = p.row_tiles - first < band ? p.row_tiles - first : band;
  const uint32_t within = block::index() - first * columns;
  return {int64_t{first + within % rows} * projection_tile,
          p.first_column + int64_t{within / rows} * projection_tile};
}

// Tiles of x and W in a ring of stages in shared memory: one is being multiplied while the others are being
// copied.
template <class T, uint32_t threads>
class ProjectionRing {
 public:
  static constexpr uint32_t tile_inner = OperandTile::row_bytes / sizeof(T);

  __device__ __forceinline__ ProjectionRing(const ProjectionParameters& p, const ProjectionCorner& corner)
      : input_({p.input, p.rows, p.inner, p.aligned}, corner.row),
        weight_({p.weight, p.last_column, p.inner, p.aligned}, corner.column),
        inner_(p.inner),
        tiles_(static_cast<uint32_t>((p.inner + tile_inner - 1) / tile_inner)),
        whole_tiles_(p.aligned ? static_cast<uint32_t>(p.inner / tile_inner) : 0) {}

  __device__ __forceinline__ uint32_t tiles() const { return tiles_; }

  __device__ __forceinline__ void fill() {
    for (uint32_t tile = 0; tile + 1 < stages; ++tile) copy(tile);
  }

  // When it returns, `tile` has arrived, and a later one is being copied to the place of the one before.
  __device__ __forceinline__ void next(uint32_t tile) {
    thread::wait_for_copies<stages - 2>();
    block::sync();
    copy(tile + stages - 1);
  }

  // Afterwards no thread uses the shared memory any more.
  __device__ __forceinline__ void drain() const {
    thread::wait_for_copies<0>();
    block::sync();
  }

  __device__ __forceinline__ const unsigned char* input(uint32_t tile) const { return place(tile); }
  __device__ __forceinline__ const unsigned char* weight(uint32_t tile) const {
    return place(tile) + operand_bytes;
  }

  static constexpr uint32_t stages = projection_stages;
  static constexpr uint32_t operand_bytes = projection_tile * OperandTile::row_bytes;
  static constexpr uint32_t shared_bytes = stages * 2 * operand_bytes;
  static_assert(shared_bytes >= ProjectionSums::elements * sizeof(float),
                "the sums take the place of the operands");

 private:
  __device__ __forceinline__ unsigned char* place(uint32_t tile) const {
    return block::shared_memory<unsigned char>() + tile % stages * 2 * operand_bytes;
  }

  // Starts a group of copies of the next tile, empty if there is none, so that waiting works the same at the
  // end.
  __device__ __forceinline__ void copy(uint32_t tile) {
    unsigned char* to = place(tile);
    if (tile < whole_tiles_) {
      input_.copy_tile(to);
      weight_.copy_tile(to + operand_bytes);
    } else if (tile < tiles_) {
      const int64_t left = inner_ - int64_t{tile} * tile_inner;
      input_.copy_tile(to, left);
      weight_.copy_tile(to + operand_bytes, left);
    }
    thread::commit_copies();
  }

  OperandCopies<T, projection_tile, threads> input_, weight_;
  const int64_t& inner_;
  uint32_t tiles_, whole_tiles_;
};

template <uint32_t threads>
__device__ __forceinline__ void write_projection_tile(const ProjectionParameters& p,
                                                      const ProjectionCorner& corner, const float* sums) {
  block::write_products<ProjectionSums, threads>(
      p, corner.row, corner.column, [sums](uint32_t row, uint32_t column) {
        return thread::load_shared<4>(sums + ProjectionSums::offset(row, column));
      });
}

}  // namespace heed::cuda
