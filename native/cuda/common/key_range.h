// The keys that queries may attend according to windows and lengths. CUDA kernels and their launchers decide
// causality only here: it is a window that ends at the row's own position.
#pragma once

#include <cstdint>

#include "cuda/attention_parameters.h"
#include "cuda/device/target.cuh"

namespace heed::cuda {

struct KeyRange {
  int32_t first = 0, last = 0;  // excludes `last`

  __host__ __device__ __forceinline__ bool contains(int32_t key) const { return key >= first && key < last; }
  // Whether the range contains all `keys` keys from `first_key` on.
  __host__ __device__ __forceinline__ bool covers(int32_t first_key, int32_t keys) const {
    return first_key >= first && first_key + keys <= last;
  }
};

__host__ __device__ __forceinline__ int32_t limited_key(int64_t key, int32_t keys) {
  return key < 0 ? 0 : key > keys ? keys : static_cast<int32_t>(key);
}

// Of `keys` keys, those that at least one of the rows at positions first_position … last_position may attend.
__host__ __device__ __forceinline__ KeyRange keys_of_some_row(const KeyWindow& window, int64_t first_position,
                                                              int64_t last_position, int32_t keys) {
  return {limited_key(first_position - window.left, keys),
          limited_key(last_position + window.right + 1, keys)};
}

// Those that every one of these rows may attend.
__host__ __device__ __forceinline__ KeyRange keys_of_every_row(const KeyWindow& window,
                                                               int64_t first_position, int64_t last_position,
                                                               int32_t keys) {
  return {limited_key(last_position - window.left, keys),
          limited_key(first_position + window.right + 1, keys)};
}

__host__ __device__ __forceinline__ KeyRange keys_of_row(const KeyWindow& window, int64_t position,
                                                         int32_t keys) {
  return keys_of_some_row(window, position, position, keys);
}

}  // namespace heed::cuda
