// Elements from one floating type to another.
#pragma once

#include <cstdint>

#include "cuda/device/block.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

constexpr uint32_t cast_threads = 256;
constexpr int64_t cast_elements_per_block = 1024;

// `vector` neighbours are read and written at once: 4 where both sides are aligned to as many elements,
// else 1.
template <int vector, class From, class To>
__global__ void __launch_bounds__(cast_threads)
    cast_kernel(const From* __restrict__ from, To* __restrict__ to, int64_t count) {
  const int64_t begin = block::index() * cast_elements_per_block;
  const int64_t end = begin + cast_elements_per_block < count ? begin + cast_elements_per_block : count;
  int64_t at = begin + thread::index() * vector;
  for (; at + vector <= end; at += cast_threads * vector) {
    const Vector<From, vector> read = thread::load_global<vector>(from + at);
    Vector<To, vector> written;
    for (int i = 0; i < vector; ++i) written[i] = thread::from_float<To>(thread::to_float(read[i]));
    thread::store_global(to + at, written);
  }
  for (; at < end; ++at) to[at] = thread::from_float<To>(thread::to_float(from[at]));
}

}  // namespace heed::cuda
