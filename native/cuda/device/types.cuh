// 16-bit storage types and their conversions. Arithmetic is in float32.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if !HEED_EMULATED
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace heed::cuda {

struct Float16 {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

namespace thread {

__device__ __forceinline__ float from_bits(uint32_t bits) {
#if HEED_EMULATED
  return __builtin_bit_cast(float, bits);
#else
  return __uint_as_float(bits);
#endif
}

__device__ __forceinline__ uint32_t to_bits(float x) {
#if HEED_EMULATED
  return __builtin_bit_cast(uint32_t, x);
#else
  return __float_as_uint(x);
#endif
}

__device__ __forceinline__ float to_float(float x) {
  return x;
}

__device__ __forceinline__ float to_float(int8_t x) {
  return static_cast<float>(x);
}

__device__ __forceinline__ float to_float(BFloat16 x) {
  return from_bits(static_cast<uint32_t>(x.bits) << 16);
}

__device__ __forceinline__ float to_float(Float16 x) {
#if HEED_EMULATED
  const uint32_t magnitude = (x.bits & 0x7fffu) << 13;
  const float scaled = __builtin_bit_cast(float, magnitude) * 0x1p112f;  // also handles subnormal numbers
  const uint32_t bits =
      (x.bits & 0x7c00) == 0x7c00 ? magnitude | 0x7f800000u : __builtin_bit_cast(uint32_t, scaled);
  return __builtin_bit_cast(float, bits | (x.bits & 0x8000u) << 16);
#else
  return __half2float(__ushort_as_half(x.bits));
#endif
}

// The four numbers of int8 in a word. Each becomes the last byte of a float32 between 2^23 and 2^23 + 255,
// from which a subtraction leaves it: conversions of integers are a quarter as fast.
__device__ __forceinline__ void to_floats(uint32_t four, float (&to)[4]) {
  const uint32_t from_zero = four ^ 0x80808080u;  // 128 more
  for (int i = 0; i < 4; ++i) {
#if HEED_EMULATED
    const uint32_t bits = 0x4b000000u | (from_zero >> 8 * i & 0xff);
#else
    const uint32_t bits = __byte_perm(from_zero, 0x4b000000u, 0x7650 + i);
#endif
    to[i] = from_bits(bits) - 8388736.0f;
  }
}

// Rounds to nearest even.
template <class To>
__device__ __forceinline__ To from_float(float x);

template <>
__device__ __forceinline__ float from_float<float>(float x) {
  return x;
}

template <>
__device__ __forceinline__ BFloat16 from_float<BFloat16>(float x) {
#if HEED_EMULATED
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  if (x != x) return {0x7fff};  // the NaN that GPUs produce
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
#else
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#endif
}

template <>
__device__ __forceinline__ Float16 from_float<Float16>(float x) {
#if HEED_EMULATED
  if (x != x) return {0x7fff};
  return {__builtin_bit_cast(uint16_t, static_cast<_Float16>(x))};
#else
  return {__half_as_ushort(__float2half_rn(x))};
#endif
}

// Two numbers in one register, as matrix instructions take them: `low` in bits 0 … 15.
template <class To>
__device__ __forceinline__ uint32_t pack(float low, float high) {
#if HEED_EMULATED
  return from_float<To>(low).bits | static_cast<uint32_t>(from_float<To>(high).bits) << 16;
#else
  uint32_t pair;
  if constexpr (sizeof(To) != 2) {
    static_assert(sizeof(To) == 2, "only types of 16 bits are packed");
  } else if constexpr (__is_same(To, Float16)) {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  }
  return pair;
#endif
}

// Products of two pairs.
template <class T>
__device__ __forceinline__ uint32_t multiply_pairs(uint32_t a, uint32_t b) {
#if HEED_EMULATED
  const auto product = [a, b](int shift) {
    const T x{static_cast<uint16_t>(a >> shift)}, y{static_cast<uint16_t>(b >> shift)};
    return to_float(x) * to_float(y);
  };
  return pack<T>(product(0), product(16));
#else
  uint32_t pair;
  if constexpr (__is_same(T, Float16)) {
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(pair) : "r"(a), "r"(b));
  } else {
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(pair) : "r"(a), "r"(b), "r"(0x80008000u));  // plus −0
  }
  return pair;
#endif
}

}  // namespace thread

}  // namespace heed::cuda
