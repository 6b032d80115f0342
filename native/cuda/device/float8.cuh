// Numbers of float8 and their conversions, without the instructions that only GPUs since sm_89 have.
#pragma once

#include <cstdint>

#include "cuda/device/types.cuh"

namespace heed::cuda {

// E4M3 of the Open Compute Project: a sign, four bits of an exponent with the bias 7, and three of a
// fraction. There are no infinities; a magnitude of 0x7f is NaN. No struct: nvcc 13.0 fails on loads of those
// that have one byte.
enum class Float8 : uint8_t {};

namespace thread {

// A number with its exponent and its fraction in their places of T is as much smaller as the bias of T is
// larger, and may be subnormal. This gives it its size.
template <class T>
struct Float8Unit {
  static constexpr float value = 0x1p120f;
};
template <>
struct Float8Unit<Float16> {
  static constexpr float value = 0x1p8f;
};

__device__ __forceinline__ float to_float(Float8 x) {
  const auto bits = static_cast<uint32_t>(x), magnitude = bits & 0x7fu;
  const float value =
      magnitude == 0x7f ? from_bits(0x7fc00000u) : from_bits(magnitude << 20) * Float8Unit<float>::value;
  return bits & 0x80 ? -value : value;
}

// To the nearest, ties to even, and to 448 whatever is larger. x is not NaN.
template <>
__device__ __forceinline__ Float8 from_float<Float8>(float x) {
  const uint32_t bits = to_bits(x), magnitude = bits & 0x7fffffffu;
  const uint32_t normal = ((magnitude + 0x7ffffu + (magnitude >> 20 & 1)) >> 20) - (120 << 3);
  // Below 2^-6, multiples of 2^-9: the last bit of numbers from 2^14 on.
  const uint32_t subnormal = to_bits(from_bits(magnitude) + 0x1p14f) - 0x46800000u;
  const uint32_t code = magnitude < 0x3c800000u ? subnormal : normal < 0x7e ? normal : 0x7e;
  return static_cast<Float8>(code | (bits >> 24 & 0x80));
}

// Which of the four numbers in a word are NaN, by the highest bits of their bytes.
__device__ __forceinline__ uint32_t float8_nan(uint32_t four) {
  return ((four & 0x7f7f7f7fu) + 0x01010101u) & 0x80808080u;
}

// The four numbers in a word times a scale, which is at most 128 or not finite.
__device__ __forceinline__ void float8_times(uint32_t four, float scale, float (&to)[4]) {
  const float unit = Float8Unit<float>::value * scale;
  for (int i = 0; i < 4; ++i) {
    const auto first = static_cast<int32_t>(four << (24 - 8 * i));
    to[i] = from_bits(static_cast<uint32_t>(first >> 4) & 0x87f00000u) * unit;
  }
  if (float8_nan(four) == 0) return;
  for (int i = 0; i < 4; ++i) to[i] = to_float(static_cast<Float8>(four >> 8 * i & 0xff)) * scale;
}

// Two of the four bytes of a word, from `first` on, as the high halves of 16 bits.
template <int first>
__device__ __forceinline__ uint32_t high_halves(uint32_t four) {
#if HEED_EMULATED
  const uint32_t two = four >> 8 * first;
  return (two & 0xff) << 8 | (two & 0xff00) << 16;
#else
  return __byte_perm(four, 0, first == 0 ? 0x1404 : 0x3424);
#endif
}

// Two of the four numbers in a word, from `first` on, as a pair of a type of 16 bits, without their unit.
// What is NaN becomes another number.
template <class To, int first>
__device__ __forceinline__ uint32_t float8_pair(uint32_t four) {
  constexpr int shift = __is_same(To, Float16) ? 1 : 4;
  const uint32_t two = high_halves<first>(four);
  return (two >> shift & (0x7f007f00u >> shift)) | (two & 0x80008000u);
}

// NaN of 16 bits where the numbers of such a pair are NaN, and 0 elsewhere.
template <int first>
__device__ __forceinline__ uint32_t float8_nan_pair(uint32_t four) {
  return (high_halves<first>(float8_nan(four)) >> 15) * 0x7fffu;
}

}  // namespace thread

}  // namespace heed::cuda
