// y = x Wᵀ: tiles of 128 × 128 sums in registers, multiplied while cp.async loads the next operands. Elements
// of 16 bits are multiplied by mma.sync, those of float32 by fused multiply-adds.
#pragma once

#include <cstdint>

#include "cuda/device/block.cuh"
#include "cuda/device/matrix.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/projection/output.cuh"
#include "cuda/projection/tiles.cuh"

namespace heed::cuda {

namespace detail {

constexpr uint32_t halves_per_step = 16;  // of the inner dimension, taken by one matrix instruction

// A warp's quarter of the tile: 64 × 64 sums, four fragments of rows times eight of columns.
struct WarpProduct {
  static constexpr uint32_t row_fragments = 4, column_fragments = 8;
  float sums[row_fragments][column_fragments][4] = {};
  uint32_t rows[2][row_fragments][4], columns[2][column_fragments][2];  // of one step and the next

  // Lane l gives ldmatrix the address of row l % 16 of each fragment of x, in its left or right half.
  __device__ __forceinline__ void load(int slot, const unsigned char* x, const unsigned char* weight,
                                       uint32_t row, uint32_t column, uint32_t step) {
    const uint32_t lane = thread::lane();
#pragma unroll
    for (uint32_t r = 0; r < row_fragments; ++r) {
      warp::load_matrices(rows[slot][r],
                          x + OperandTile::offset(row + r * 16 + lane % 16, step * 2 + lane / 16));
    }
    // Rows of W are columns of Wᵀ, so the data is already laid out as a fragment of B: loads two at once.
#pragma unroll
    for (uint32_t c = 0; c < column_fragments; c += 2) {
      uint32_t both[4];
      warp::load_matrices(both, weight + OperandTile::offset(column + c * 8 + lane / 16 * 8 + lane % 8,
                                                             step * 2 + lane / 8 % 2));
      columns[slot][c][0] = both[0];
      columns[slot][c][1] = both[1];
      columns[slot][c + 1][0] = both[2];
      columns[slot][c + 1][1] = both[3];
    }
  }

  template <class T>
  __device__ __forceinline__ void multiply(int slot) {
#pragma unroll
    for (uint32_t r = 0; r < row_fragments; ++r) {
#pragma unroll
      for (uint32_t c = 0; c < column_fragments; ++c) {
        warp::multiply_accumulate<T>(sums[r][c], rows[slot][r], columns[slot][c]);
      }
    }
  }

  __device__ __forceinline__ void store(float* tile, uint32_t row, uint32_t column) const {
    const uint32_t lane = thread::lane();
#pragma unroll
    for (uint32_t r = 0; r < row_fragments; ++r) {
#pragma unroll
      for (uint32_t c = 0; c < column_fragments; ++c) {
#pragma unroll
        for (uint32_t half = 0; half < 2; ++half) {
          const uint32_t at =
              ProjectionSums::offset(row + r * 16 + half * 8 + lane / 4, column + c * 8 + lane % 4 * 2);
          thread::store_shared(tile + at, Vector<float, 2>{sums[r][c][half * 2], sums[r][c][half * 2 + 1]});
        }
      }
    }
  }
};

}  // namespace detail

template <class T>
__global__ void __launch_bounds__(projection_threads)
    projection_kernel(const __grid_constant__ ProjectionParameters p) {
  using Ring = ProjectionRing<T, projection_threads>;
  const ProjectionCorner corner = corner_of_block(p);
  const uint32_t row = warp::index() / 2 * 64, column = warp::index() % 2 * 64;
  Ring ring(p, corner);
  detail::WarpProduct product;

  ring.fill();
  for (uint32_t tile = 0; tile < ring.tiles(); ++tile) {
    ring.next(tile);
    const unsigned char *x = ring.input(tile), *weight = ring.weight(tile);
    constexpr uint32_t steps = Ring::tile_inner / detail::halves_per_step;
    product.load(0, x, weight, row, column, 0);
#pragma unroll
    for (uint32_t step = 0; step < steps; ++step) {
      if (step + 1 < steps) product.load((step + 1) % 2, x, weight, row, column, step + 1);
      product.template multiply<T>(step % 2);
    }
  }
  ring.drain();

  float* sums = block::shared_memory<float>();
  product.store(sums, row, column);
  block::sync();
  write_projection_tile<projection_threads>(p, corner, sums);
}

// True float32: a thread has every 16th row and every 16th column of the tile. Eight lanes that differ in
// their column read eight neighbouring rows of W, which lie in different banks, and the same row of x.
__global__ void __launch_bounds__(projection_float_threads)
    projection_float_kernel(const __grid_constant__ ProjectionParameters p) {
  using Ring = ProjectionRing<float, projection_float_threads>;
  constexpr uint32_t apart = 16, each = projection_tile / apart;
  const ProjectionCorner corner = corner_of_block(p);
  const uint32_t row = warp::index() / 2 * 4 + thread::lane() / 8,
                 column = warp::index() % 2 * 8 + thread::lane() % 8;
  Ring ring(p, corner);
  float sums[each][each] = {};

  ring.fill();
  for (uint32_t tile = 0; tile < ring.tiles(); ++tile) {
    ring.next(tile);
    const unsigned char *x = ring.input(tile), *weight = ring.weight(tile);
#pragma unroll 1
    for (uint32_t chunk = 0; chunk < OperandTile::chunks; ++chunk) {
      const auto load = [chunk](const unsigned char* from, uint32_t at) {
        return thread::load_shared<4>(reinterpret_cast<const float*>(from + OperandTile::offset(at, chunk)));
      };
      Vector<float, 4> rows[each];
#pragma unroll
      for (uint32_t r = 0; r < each; ++r) rows[r] = load(x, row + r * apart);
#pragma unroll
      for (uint32_t c = 0; c < each; ++c) {
        const Vector<float, 4> columns = load(weight, column + c * apart);
#pragma unroll
        for (uint32_t r = 0; r < each; ++r) {
#pragma unroll
          for (int i = 0; i < 4; ++i) sums[r][c] += rows[r][i] * columns[i];
        }
      }
    }
  }
  ring.drain();

  float* tile = block::shared_memory<float>();
#pragma unroll
  for (uint32_t r = 0; r < each; ++r) {
#pragma unroll
    for (uint32_t c = 0; c < each; ++c) {
      tile[ProjectionSums::offset(row + r * apart, column + c * apart)] = sums[r][c];
    }
  }
  block::sync();
  write_projection_tile<projection_float_threads>(p, corner, tile);
}

}  // namespace heed::cuda
