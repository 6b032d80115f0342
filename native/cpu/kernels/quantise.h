// Rows of keys or values as int8: multiples of a scale that each row has for itself.
#pragma once

#include "cpu/kernels/storage.h"

namespace heed::cpu::HEED_ISA {

// x rounded to the nearest integer, ties to even, for |x| < 2²²: the sum has no bits left for a fraction.
static inline int8_t rounded(float x) {
  constexpr float magic = 12582912;  // 1.5 · 2²³
  return static_cast<int8_t>(__builtin_bit_cast(int32_t, x + magic) - __builtin_bit_cast(int32_t, magic));
}

// The scale that makes 127 of the largest magnitude of a row; 0 for a row of zeros. Where float32 is coarse,
// it is rounded so that 127 neither falls short of the magnitude (subnormal scales) nor becomes infinite.
static inline float scale_of(float largest) {
  constexpr float least_normal = __FLT_MIN__;
  const float scale = largest / 127;
  const auto bits = __builtin_bit_cast(uint32_t, scale);
  if (127.0 * double{scale} > double{__FLT_MAX__}) return __builtin_bit_cast(float, bits - 1);
  if (scale < least_normal && 127.0 * double{scale} < double{largest})
    return __builtin_bit_cast(float, bits + 1);
  return scale;
}

// A row with a non-finite number gets the scale NaN, so all of it reads as NaN.
template <class Type>
static inline void quantise_row(const typename Type::Element* from, int64_t width, int8_t* to, float* scale) {
  float largest = 0, poison = 0;
  for (int64_t d = 0; d < width; ++d) {
    const float x = Type::get(from[d]), magnitude = __builtin_fabsf(x);
    if (magnitude > largest) largest = magnitude;
    poison += x * 0.0f;
  }
  *scale = poison == 0.0f ? scale_of(largest) : __builtin_nanf("");
  const bool nothing = !(*scale > 0);
  for (int64_t d = 0; d < width; ++d) {
    const float multiple = nothing ? 0 : Type::get(from[d]) / *scale;
    to[d] = rounded(multiple > 127 ? 127 : multiple < -127 ? -127 : multiple);
  }
}

}  // namespace heed::cpu::HEED_ISA
