// New steps into a cache: a warp copies a row, and rounds it to the cache's type.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "cuda/device/block.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

struct AppendEntry {
  AppendProblem::Part part;
  int64_t first_row;  // of all new steps
};

// Of keys, or of values.
struct AppendParameters {
  View from;
  MutableView to;
  Pages pages;                 // with its tables on the device
  const AppendEntry* entries;  // on the device
  int64_t entry_count, rows, heads, width;
};

constexpr uint32_t append_threads = 128;
constexpr int64_t append_rows_per_block = append_threads / 32;

namespace detail {

__device__ __forceinline__ const AppendEntry& entry_of(const AppendParameters& p, int64_t row) {
  int64_t low = 0, high = p.entry_count;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (p.entries[middle].first_row <= row ? low : high) = middle;
  }
  return p.entries[low];
}

}  // namespace detail

// `vector` neighbours at once: 4 where both sides are aligned to as many elements, else 1.
template <int vector, class From, class To>
__global__ void __launch_bounds__(append_threads) append_kernel(const __grid_constant__ AppendParameters p) {
  const int64_t index = block::index() * append_rows_per_block + warp::index();
  if (index >= p.rows * p.heads) return;
  const int64_t row = index / p.heads, head = index % p.heads;
  const AppendEntry& entry = detail::entry_of(p, row);
  const AppendProblem::Part& part = entry.part;
  const int64_t step = row - entry.first_row, position = part.position + step;
  const From* from = static_cast<const From*>(p.from.data) + part.entry * p.from.batch_stride +
                     head * p.from.head_stride + (part.start + step) * p.from.step_stride;
  void* const page = p.pages.data[p.pages.first[part.entry] + position / p.pages.steps];
  To* to = static_cast<To*>(page) + head * p.to.head_stride + position % p.pages.steps * p.to.step_stride;
  for (int64_t d = thread::lane() * vector; d < p.width; d += warp::size * vector) {
    const Vector<From, vector> read = thread::load_global<vector>(from + d);
    Vector<To, vector> written;
#pragma unroll
    for (int i = 0; i < vector; ++i) written[i] = thread::from_float<To>(thread::to_float(read[i]));
    thread::store_global(to + d, written);
  }
}

}  // namespace heed::cuda
