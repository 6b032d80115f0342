// Elements of caches whose rows have a scale each, in multiples of it.
#pragma once

#include "cpu/kernels/storage.h"

namespace heed::cpu::HEED_ISA {

// How to load the elements of a type that is widened by Type::widen.
template <class Type, class ByteElement>
struct ScaledElements {
  using Element = ByteElement;
  typedef Element Bits __attribute__((vector_size(lanes)));
  static Vec load(const Element* from) {
    Bits bits;
    __builtin_memcpy(&bits, from, sizeof bits);
    return Type::widen(bits);
  }
  template <int count>
  static Vec load_first(const Element* from) {
    Bits bits{};
    __builtin_memcpy(&bits, from, count);
    return Type::widen(bits);
  }
};

#if defined(HEED_USE_NEON)
// Four bytes of a cache in the low half of a register.
template <class Register, class Bits>
static inline Register four_bytes(Bits bits) {
  return Register(vdup_n_u32(__builtin_bit_cast(uint32_t, bits)));
}
#endif

// Integers.
struct Int8 : ScaledElements<Int8, int8_t> {
  static constexpr float most = 127;
  static float get(int8_t x) { return static_cast<float>(x); }
  // To the nearest, ties to even: the sum has no bits left for a fraction.
  static int8_t put(float x) {
    constexpr float magic = 12582912;  // 1.5 · 2²³
    const float multiple = x > most ? most : x < -most ? -most : x;
    return static_cast<int8_t>(__builtin_bit_cast(int32_t, multiple + magic) -
                               __builtin_bit_cast(int32_t, magic));
  }
#if defined(HEED_USE_AVX512)
  static Vec widen(Bits bits) {
    return Vec(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(__m128i(bits))));
  }
#elif defined(HEED_USE_AVX2)
  static Vec widen(Bits bits) {
    Vec v;
    for (int i = 0; i < lanes; i += 8) {  // twice where 16 lanes are compiled to AVX2, for tests
      int64_t eight;
      __builtin_memcpy(&eight, reinterpret_cast<const int8_t*>(&bits) + i, sizeof eight);
      const __m256 part = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_cvtsi64_si128(eight)));
      __builtin_memcpy(reinterpret_cast<float*>(&v) + i, &part, sizeof part);
    }
    return v;
  }
#elif defined(HEED_USE_NEON)
  static Vec widen(Bits bits) {
    const int16x8_t halves = vmovl_s8(four_bytes<int8x8_t>(bits));
    return Vec(vcvtq_f32_s32(vmovl_s16(vget_low_s16(halves))));
  }
#else
  static Vec widen(Bits bits) {
    return __builtin_convertvector(__builtin_convertvector(bits, IntVec), Vec);
  }
#endif
};

// E4M3 of the Open Compute Project: a sign, four bits of an exponent with the bias 7, and three of a
// fraction. There are no infinities; a magnitude of 0x7f is NaN.
struct Float8 : ScaledElements<Float8, uint8_t> {
  static constexpr float most = 448;
  static float get(uint8_t x) {
    const int32_t magnitude = x & 0x7f;
    const float normal = __builtin_bit_cast(float, (magnitude << 20) + (120 << 23));
    const float value = magnitude < 8       ? static_cast<float>(magnitude) * 0x1p-9f
                        : magnitude == 0x7f ? __builtin_nanf("")
                                            : normal;
    return x & 0x80 ? -value : value;
  }
  // To the nearest, ties to even, and to `most` whatever is larger. x is not NaN.
  static uint8_t put(float x) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, x), magnitude = bits & 0x7fffffff;
    const uint32_t normal = ((magnitude + 0x7ffff + (magnitude >> 20 & 1)) >> 20) - (120 << 3);
    // Below 2⁻⁶, multiples of 2⁻⁹: the last bit of numbers from 2¹⁴ on.
    const uint32_t subnormal =
        __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, magnitude) + 0x1p14f) - 0x46800000;
    const uint32_t code = magnitude < 0x3c800000 ? subnormal : normal < 0x7e ? normal : 0x7e;
    return static_cast<uint8_t>(code | (bits >> 24 & 0x80));
  }
#if defined(HEED_USE_AVX512)
  // As float16 with the same exponent and fraction, which is 2⁸ times as small.
  static Vec widen(Bits bits) {
    const __m256i halves = _mm256_and_si256(_mm256_slli_epi16(_mm256_cvtepi8_epi16(__m128i(bits)), 7),
                                            _mm256_set1_epi16(-0x4080));
    const __m256i nan = _mm256_set1_epi16(0x3f80);
    const __m256i is_nan = _mm256_cmpeq_epi16(_mm256_and_si256(halves, nan), nan);
    return Vec(_mm512_cvtph_ps(_mm256_or_si256(halves, is_nan))) * 0x1p8f;
  }
#elif defined(HEED_USE_AVX2)
  // As float16 with the same exponent and fraction, which is 2⁸ times as small.
  static Vec widen(Bits bits) {
    Vec v;
    for (int i = 0; i < lanes; i += 8) {  // twice where 16 lanes are compiled to AVX2, for tests
      int64_t eight;
      __builtin_memcpy(&eight, reinterpret_cast<const uint8_t*>(&bits) + i, sizeof eight);
      const __m128i halves = _mm_and_si128(_mm_slli_epi16(_mm_cvtepi8_epi16(_mm_cvtsi64_si128(eight)), 7),
                                           _mm_set1_epi16(-0x4080));
      const __m128i nan = _mm_set1_epi16(0x3f80);
      const __m128i is_nan = _mm_cmpeq_epi16(_mm_and_si128(halves, nan), nan);
      const __m256 part = _mm256_cvtph_ps(_mm_or_si128(halves, is_nan));
      __builtin_memcpy(reinterpret_cast<float*>(&v) + i, &part, sizeof part);
    }
    return v * 0x1p8f;
  }
#elif defined(HEED_USE_NEON)
  // As float16 with the same exponent and fraction, which is 2⁸ times as small.
  static Vec widen(Bits bits) {
    const int16x4_t wide = vget_low_s16(vmovl_s8(four_bytes<int8x8_t>(bits)));
    const int16x4_t halves = vand_s16(vshl_n_s16(wide, 7), vdup_n_s16(-0x4080)), nan = vdup_n_s16(0x3f80);
    const auto is_nan = int16x4_t(vceq_s16(vand_s16(halves, nan), nan));
    return Vec(vcvt_f32_f16(float16x4_t(vorr_s16(halves, is_nan)))) * 0x1p8f;
  }
#else
  static Vec widen(Bits bits) {
    const IntVec words = __builtin_convertvector(bits, IntVec), magnitude = words & 0x7f;
    const Vec subnormal = __builtin_convertvector(magnitude, Vec) * 0x1p-9f;
    const Vec normal = as_float((magnitude << 20) + (120 << 23));
    Vec value = magnitude < 8 ? subnormal : normal;
    value = magnitude == 0x7f ? splat(__builtin_nanf("")) : value;
    return as_float(as_int(value) | (words & 0x80) << 24);
  }
#endif
};

// Calls f with the tag of a scaled type.
template <class F>
static inline auto with_scaled_type(DType type, F f) {
  if (type == DType::float8) return f(Float8{});
  return f(Int8{});
}

}  // namespace heed::cpu::HEED_ISA
