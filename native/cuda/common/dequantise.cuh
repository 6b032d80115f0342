// Elements of int8 and float8 on their way to a tile of the type that products take, in shared memory. A
// chunk of it has 16 bytes; its elements are neighbours of a row, from `channel` on.
#pragma once

#include <cstdint>

#include "cuda/common/row_scales.cuh"
#include "cuda/device/float8.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

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

// Integers, times the factors of their channels and the scale of the row.
template <class Scale, class T>
__device__ __forceinline__ void dequantise(const int8_t* elements, int channel, const RowOutliers& outliers,
                                           const Scale& scale, T* chunk) {
  constexpr int count = 16 / sizeof(T);
  const auto words = thread::load_shared<count / 4>(reinterpret_cast<const uint32_t*>(elements));
  float numbers[count];
#pragma unroll
  for (int w = 0; w < count / 4; ++w) {
    float four[4], factors[4];
    thread::to_floats(words[w], four);
    if (outliers.factors(channel + 4 * w, factors)) {
#pragma unroll
      for (int i = 0; i < 4; ++i) four[i] *= factors[i];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) numbers[4 * w + i] = four[i] * scale.element;
  }
  store_chunk(chunk, numbers);
}

// Numbers of E4M3, times the scale of the row. There are no outlier channels.
template <class Scale, class T>
__device__ __forceinline__ void dequantise(const Float8* elements, int, const RowOutliers&,
                                           const Scale& scale, T* chunk) {
  constexpr int count = 16 / sizeof(T);
  const auto words = thread::load_shared<count / 4>(reinterpret_cast<const uint32_t*>(elements));
  if constexpr (sizeof(T) == 2 && Scale::keeps_elements) {
    const float unit = thread::Float8Unit<T>::value * scale.element;
    const uint32_t units = thread::pack<T>(unit, unit);
    Vector<uint32_t, 4> pairs;
    uint32_t nan = 0;
#pragma unroll
    for (int w = 0; w < count / 4; ++w) {
      pairs[2 * w] = thread::multiply_pairs<T>(thread::float8_pair<T, 0>(words[w]), units);
      pairs[2 * w + 1] = thread::multiply_pairs<T>(thread::float8_pair<T, 2>(words[w]), units);
      nan |= thread::float8_nan(words[w]);
    }
    if (nan != 0) {
#pragma unroll
      for (int w = 0; w < count / 4; ++w) {
        pairs[2 * w] |= thread::float8_nan_pair<0>(words[w]);
        pairs[2 * w + 1] |= thread::float8_nan_pair<2>(words[w]);
      }
    }
    thread::store_shared(reinterpret_cast<uint32_t*>(chunk), pairs);
  } else {
    float numbers[count];
#pragma unroll
    for (int w = 0; w < count / 4; ++w) {
      float four[4];
      thread::float8_times(words[w], scale.element, four);
#pragma unroll
      for (int i = 0; i < 4; ++i) numbers[4 * w + i] = four[i];
    }
    store_chunk(chunk, numbers);
  }
}

}  // namespace heed::cuda
