// Element types in memory: how to read a vector or a single number as float32 and write it back, rounded to
// nearest even. Kernels take one of these as a template parameter and never test the type inside a loop.
#pragma once

#include "core/dtype.h"
#include "cpu/kernels/intrinsics.h"
#include "cpu/kernels/vector.h"

namespace heed::cpu::HEED_ISA {

typedef uint16_t HalfBits __attribute__((vector_size(lanes * 2)));
typedef uint16_t LooseHalfBits __attribute__((vector_size(lanes * 2), aligned(2), may_alias));

template <int count>
struct KeepFirst {  // of two vectors of `count` lanes, the second of them zeros
  constexpr int operator()(int i) const { return i < count ? i : count; }
};
template <class Bits, class Part, class Index, int... I>
static inline Bits pad(Part part, Index, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(part, Part{}, Index{}(I)...);
}

// What multiply.h takes of an operand's type, unless it multiplies pairs (pair_product.h): it is widened to
// `Column`s, which `Factor`s multiply. A step of its depth is multiplied in `parts`.
template <class Type>
struct FloatProducts {
  using Column = Vec;
  using Factor = float;
  static constexpr int parts = 1;
  template <int, int vectors, class Element>
  static void load_part(const Element* from, Vec (&row)[vectors]) {
    Type::template load_row<vectors>(from, row);
  }
  template <int>
  static Vec broadcast(const float* from) {
    return splat(*from);
  }
  static Vec multiply_add(Vec factor, Vec column, Vec sum) {
    return HEED_ISA::multiply_add(factor, column, sum);
  }
};

// Operations on rows of consecutive vectors.
template <class Type>
struct Rowwise : FloatProducts<Type> {
  // The first `count` elements, 4 or 8, padded with zeros.
  template <int count, class Element>
  static Vec load_first(const Element* from) {
    typedef Element Part __attribute__((vector_size(count * sizeof(Element))));
    Part part;
    __builtin_memcpy(&part, from, sizeof part);
    return Type::widen(
        pad<typename Type::Bits>(part, KeepFirst<count>{}, std::make_integer_sequence<int, lanes>{}));
  }

  template <int vectors, class Element>
  static void load_row(const Element* from, Vec (&row)[vectors]) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) row[v] = Type::load(from + v * lanes);
  }
};

struct Float32 : Rowwise<Float32> {
  using Element = float;
  using Bits = Vec;
  static constexpr DType type = DType::float32;
  static Vec widen(Vec bits) { return bits; }
  static float get(float x) { return x; }
  static float put(float x) { return x; }
  static Vec load(const float* from) { return HEED_ISA::load(from); }
  static void store(float* to, Vec v) { HEED_ISA::store(to, v); }
};

struct BFloat16 : Rowwise<BFloat16> {
  using Element = uint16_t;
  using Bits = HalfBits;
  static constexpr DType type = DType::bfloat16;
#if defined(HEED_USE_AVX512)
  static Vec widen(HalfBits bits) {
    return as_float(IntVec(_mm512_cvtepu16_epi32(__m256i(bits))) << 16);
  }
#elif defined(HEED_USE_AVX2)
  // By a conversion of vectors, GCC would take the eight numbers apart.
  static Vec widen(HalfBits bits) {
    IntVec words;
    for (int i = 0; i < lanes; i += 8) {  // twice where 16 lanes are compiled to AVX2, for tests
      __m128i eight;
      __builtin_memcpy(&eight, reinterpret_cast<const uint16_t*>(&bits) + i, sizeof eight);
      const __m256i part = _mm256_cvtepu16_epi32(eight);
      __builtin_memcpy(reinterpret_cast<int32_t*>(&words) + i, &part, sizeof part);
    }
    return as_float(words << 16);
  }
#elif defined(HEED_USE_NEON)
  static Vec widen(HalfBits bits) {
    return Vec(vshll_n_u16(uint16x4_t(bits), 16));
  }
#else
  static Vec widen(HalfBits bits) {
    return as_float(__builtin_convertvector(bits, IntVec) << 16);
  }
#endif
  static float get(uint16_t bits) {
    return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
  }
  static uint16_t put(float x) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, x);
    if (x != x) return static_cast<uint16_t>((bits >> 16) | 0x40);  // rounding must not turn NaN into ∞
    return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
  static Vec load(const uint16_t* from) {
    return widen(*reinterpret_cast<const LooseHalfBits*>(from));
  }
  static void store(uint16_t* to, Vec v) {
    const UintVec bits = as_uint(v);  // unsigned, because rounding the bits of NaN may overflow signed ones
    const UintVec odd = (bits >> 16) & 1u;
    const UintVec rounded = (v == v) ? (bits + 0x7fffu + odd) : (bits | 0x400000u);
    *reinterpret_cast<LooseHalfBits*>(to) = __builtin_convertvector(rounded >> 16, HalfBits);
  }
};

struct Float16 : Rowwise<Float16> {
  using Element = uint16_t;
  using Bits = HalfBits;
  static constexpr DType type = DType::float16;
  static float get(uint16_t bits) { return static_cast<float>(__builtin_bit_cast(HalfFloat, bits)); }
  static uint16_t put(float x) { return __builtin_bit_cast(uint16_t, static_cast<HalfFloat>(x)); }
  // Loads whole vectors: a vector assembled from halves in memory stalls until both stores complete.
#if defined(HEED_USE_AVX512)
  static Vec widen(HalfBits bits) {
    return Vec(_mm512_cvtph_ps(__m256i(bits)));
  }
  static Vec load(const uint16_t* from) {
    return widen(*reinterpret_cast<const LooseHalfBits*>(from));
  }
  static void store(uint16_t* to, Vec v) {
    *reinterpret_cast<LooseHalfBits*>(to) = HalfBits(_mm512_cvtps_ph(__m512(v), _MM_FROUND_TO_NEAREST_INT));
  }
#elif defined(HEED_USE_AVX2)
  static Vec widen(HalfBits bits) {
    uint16_t halves[lanes];
    __builtin_memcpy(halves, &bits, sizeof bits);
    return load(halves);
  }
  static Vec load(const uint16_t* from) {
    Vec v;
    for (int i = 0; i < lanes; i += 8) {
      const __m256 part = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
      __builtin_memcpy(reinterpret_cast<float*>(&v) + i, &part, sizeof part);
    }
    return v;
  }
  static void store(uint16_t* to, Vec v) {
    for (int i = 0; i < lanes; i += 8) {
      __m256 part;
      __builtin_memcpy(&part, reinterpret_cast<const float*>(&v) + i, sizeof part);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm256_cvtps_ph(part, _MM_FROUND_TO_NEAREST_INT));
    }
  }
#elif defined(HEED_USE_NEON)
  static Vec widen(HalfBits bits) {
    return Vec(vcvt_f32_f16(float16x4_t(bits)));
  }
  static Vec load(const uint16_t* from) {
    return widen(*reinterpret_cast<const LooseHalfBits*>(from));
  }
  static void store(uint16_t* to, Vec v) {
    *reinterpret_cast<LooseHalfBits*>(to) = HalfBits(vcvt_f16_f32(float32x4_t(v)));
  }
#else
  static Vec widen(HalfBits bits) {
    Vec v{};
    for (int i = 0; i < lanes; ++i) v[i] = get(bits[i]);
    return v;
  }
  static Vec load(const uint16_t* from) {
    Vec v{};
    for (int i = 0; i < lanes; ++i) v[i] = get(from[i]);
    return v;
  }
  static void store(uint16_t* to, Vec v) {
    for (int i = 0; i < lanes; ++i) to[i] = put(v[i]);
  }
#endif
};

// Calls f with the tag of a floating type.
template <class F>
static inline auto with_type(DType type, F f) {
  switch (type) {
    case DType::float16:
      return f(Float16{});
    case DType::bfloat16:
      return f(BFloat16{});
    default:
      return f(Float32{});
  }
}

// Widens `count` elements.
template <class Type>
static inline void widen(const typename Type::Element* from, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(to + i, Type::load(from + i));
  for (; i < count; ++i) to[i] = Type::get(from[i]);
}

// Narrows `count` numbers, each multiplied by `factor` first.
template <class Type>
static inline void narrow(const float* from, int64_t count, float factor, typename Type::Element* to) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) Type::store(to + i, load(from + i) * factor);
  for (; i < count; ++i) to[i] = Type::put(from[i] * factor);
}

}  // namespace heed::cpu::HEED_ISA
