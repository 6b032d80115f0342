// New steps for a cache of floating numbers: each warp copies a row and rounds it to the cache's type.
#pragma once

#include <cstdint>

#include "cuda/append/parameters.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

constexpr int64_t append_rows_per_block = append_threads / 32;

// Copies `vector` neighbours at once: 4 if both sides are aligned to that many elements, else 1.
template <int vector, class From, class To>
__global__ void __launch_bounds__(append_threads, append_blocks_at_once)
    append_kernel(const __grid_constant__ AppendParameters p) {
  const int64_t index = block::index() * append_rows_per_block + warp::index();
  if (index >= p.rows * p.heads) return;
  const AppendedIndex at(p, index);
  const From* from = new_row<From>(p, at.part, at.head, at.step);
  To* to = AppendedRow(p, at.part.entry, at.part.position + at.step).template elements<To>(p, at.head);
  for (int64_t d = thread::lane() * vector; d < p.width; d += warp::size * vector) {
    const Vector<From, vector> read = thread::load_global<vector>(from + d);
    Vector<To, vector> written;
#pragma unroll
    for (int i = 0; i < vector; ++i) written[i] = thread::from_float<To>(thread::to_float(read[i]));
    thread::store_global(to + d, written);
  }
}

}  // namespace heed::cuda
