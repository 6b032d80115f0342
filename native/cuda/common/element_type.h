// Converts a run-time element type to a compile-time one.
#pragma once

#include "core/dtype.h"
#include "cuda/device/float8.cuh"
#include "cuda/device/types.cuh"

namespace heed::cuda {

template <class T>
struct ElementType {
  using type = T;
};

// Calls f with the ElementType of a floating type.
template <class F>
auto with_element_type(DType type, F f) {
  switch (type) {
    case DType::float16:
      return f(ElementType<Float16>{});
    case DType::bfloat16:
      return f(ElementType<BFloat16>{});
    default:
      return f(ElementType<float>{});
  }
}

// Calls f with an element of a floating type, in a kernel.
template <class F>
__device__ __forceinline__ void with_element(DType type, F f) {
  if (type == DType::float32) return f(float{});
  if (type == DType::float16) return f(Float16{});
  f(BFloat16{});
}

// The same as with_element_type for a type whose rows have a scale.
template <class F>
auto with_scaled_type(DType type, F f) {
  return type == DType::float8 ? f(ElementType<Float8>{}) : f(ElementType<int8_t>{});
}

// The same for any type of keys and values.
template <class F>
auto with_stored_type(DType type, F f) {
  return is_scaled(type) ? with_scaled_type(type, f) : with_element_type(type, f);
}

}  // namespace heed::cuda
