// Elements of int8 on their way to a tile of the type that products take, in shared memory.
#pragma once

#include <cstdint>

#include "cuda/common/row_scales.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

// `count` neighbours of a row in shared memory, of channels from `channel` on, times the factors of their
// channels and `scale`.
template <int count>
__device__ __forceinline__ void dequantise(const int8_t* elements, int channel, const RowOutliers& outliers,
                                           float scale, float (&numbers)[count]) {
  const auto words = thread::load_shared<count / 4>(reinterpret_cast<const uint32_t*>(elements));
#pragma unroll
  for (int w = 0; w < count / 4; ++w) {
    float four[4], factors[4];
    thread::to_floats(words[w], four);
    if (outliers.factors(channel + 4 * w, factors)) {
#pragma unroll
      for (int i = 0; i < 4; ++i) four[i] *= factors[i];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) numbers[4 * w + i] = four[i] * scale;
  }
}

// Rounds numbers to a chunk of a tile.
__device__ __forceinline__ void store_chunk(float* chunk, const float (&numbers)[4]) {
  thread::store_shared(chunk, Vector<float, 4>{numbers[0], numbers[1], numbers[2], numbers[3]});
}
template <class Half>
__device__ __forceinline__ void store_chunk(Half* chunk, const float (&numbers)[8]) {
  Vector<uint32_t, 4> words;
#pragma unroll
  for (int i = 0; i < 4; ++i) words[i] = thread::pack<Half>(numbers[2 * i], numbers[2 * i + 1]);
  thread::store_shared(reinterpret_cast<uint32_t*>(chunk), words);
}

}  // namespace heed::cuda
