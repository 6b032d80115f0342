// y = x Wᵀ in true float32: the same tiles as for 16 bits, multiplied by fused multiply-adds.
#pragma once

#include <cstdint>

#include "cuda/device/block.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/projection/tiles.cuh"

namespace heed::cuda {

constexpr uint32_t projection_float_threads = 256;

// A thread has every 16th row and every 16th column of the tile: eight lanes that differ in their column read
// eight neighbouring rows of W, which lie in different banks, and the same row of x.
__global__ void __launch_bounds__(projection_float_threads)
    projection_float_kernel(const __grid_constant__ ProjectionParameters p) {
  using Ring = ProjectionRing<float, projection_float_threads>;
  constexpr uint32_t apart = 16, each = projection_tile / apart;
  const ProjectionCorner corner = corner_of_block(p);
  const uint32_t row = warp::index() / 2 * 4 + thread::lane() / 8,
                 column = warp::index() % 2 * 8 + thread::lane() % 8;
  const Ring ring(p, corner);
  float sums[each][each] = {};

  ring.fill();
  for (int64_t tile = 0; tile < ring.tiles(); ++tile) {
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
