// Mask elements: a bool keeps the key if true; floats are added, and −∞ excludes the key.
#pragma once

#include "core/dtype.h"
#include "cuda/common/online_softmax.cuh"
#include "cuda/device/types.cuh"

namespace heed::cuda {

// The number that is added to a score.
__device__ __forceinline__ float mask_value(uint8_t keep) {
  return keep != 0 ? 0 : negative_infinity;
}
__device__ __forceinline__ float mask_value(float x) {
  return x;
}
__device__ __forceinline__ float mask_value(Float16 x) {
  return thread::to_float(x);
}
__device__ __forceinline__ float mask_value(BFloat16 x) {
  return thread::to_float(x);
}

// A score in log2 units plus a mask element. −∞ excludes the key, even where NaN + −∞ would be NaN. The
// lowest finite numbers exclude no key: they count as the lowest number in log2 units.
__device__ __forceinline__ float masked(float score, float bias) {
  constexpr float lowest = -0x1.62e42ep127f;
  const float finite = bias < lowest ? lowest : bias;  // preserves NaN
  return bias == negative_infinity ? bias : fmaf(finite, log2_e, score);
}

// Calls f with an element of the type.
template <class F>
__device__ __forceinline__ void with_mask_element(DType type, F f) {
  switch (type) {
    case DType::boolean:
      return f(uint8_t{});
    case DType::float32:
      return f(float{});
    case DType::float16:
      return f(Float16{});
    case DType::bfloat16:
      return f(BFloat16{});
    case DType::int8:
    case DType::float8:
      return;  // masks cannot have these types
  }
}

}  // namespace heed::cuda
