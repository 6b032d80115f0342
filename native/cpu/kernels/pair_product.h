// Products of pairs of bfloat16, summed in float32: the instructions of AVX512-BF16, each in a wrapper beside
// a plain body that computes the same bits. Tests run the kernels with the plain bodies where a processor has
// not the instructions, and compare the two where it has them.
#pragma once

#include "cpu/kernels/storage.h"

namespace heed::cpu::HEED_ISA {

// Two bfloat16 in one word, the first in the low half: elements that follow each other along the depth of a
// product. In memory, they need the alignment of one.
typedef uint32_t LoosePair __attribute__((aligned(2), may_alias));

static inline UintVec load_pairs(const uint32_t* from) {
  return *reinterpret_cast<const LooseUintVec*>(from);
}
static inline void store_pairs(uint32_t* to, UintVec pairs) {
  *reinterpret_cast<LooseUintVec*>(to) = pairs;
}

static inline Vec first_of_pairs(UintVec pairs) {
  return reinterpret_cast<Vec>(pairs << 16);
}
static inline Vec second_of_pairs(UintVec pairs) {
  return reinterpret_cast<Vec>(pairs & 0xffff0000u);
}
// The pairs of numbers that are bfloat16 already, to the bit.
static inline UintVec pairs_of_exact(Vec first, Vec second) {
  return (as_uint(first) >> 16) | (as_uint(second) & 0xffff0000u);
}

// Zero, with its sign, for numbers too small to be normal.
static inline Vec flushed(Vec v) {
  const UintVec bits = as_uint(v);
  return reinterpret_cast<Vec>((bits & 0x7f800000u) == 0 ? bits & 0x80000000u : bits);
}

// Rounds to nearest even; what is not normal becomes zero, and NaN stays NaN.
static inline UintVec plain_round_pairs(Vec first, Vec second) {
  const auto rounded = [](Vec v) {
    const UintVec bits = as_uint(flushed(v)), odd = (bits >> 16) & 1u;
    return (v == v) ? (bits + 0x7fffu + odd) : (bits | 0x400000u);
  };
  return (rounded(first) >> 16) | (rounded(second) & 0xffff0000u);
}

// sum + a₁ · b₁, and then + a₀ · b₀: the second of each pair first, rounded to nearest even after either
// (Intel, Software Developer's Manual, VDPBF16PS). Inputs and sums that are not normal count as zero. Only
// tests call it: inline, in every place of a tile, it would take minutes to compile.
[[maybe_unused, gnu::noinline]] static Vec plain_pair_product(UintVec a, UintVec b, Vec sum) {
  sum = flushed(multiply_add(flushed(second_of_pairs(a)), flushed(second_of_pairs(b)), flushed(sum)));
  return flushed(multiply_add(flushed(first_of_pairs(a)), flushed(first_of_pairs(b)), sum));
}

#if defined(HEED_USE_AVX512BF16)

static inline UintVec round_pairs(Vec first, Vec second) {
  typedef uint16_t Words __attribute__((vector_size(64)));
  const auto halves = __builtin_bit_cast(Words, _mm512_cvtne2ps_pbh(__m512(second), __m512(first)));
  return reinterpret_cast<UintVec>(__builtin_shufflevector(halves, halves, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20,
                                                           5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27,
                                                           12, 28, 13, 29, 14, 30, 15, 31));
}

static inline Vec pair_product(UintVec a, UintVec b, Vec sum) {
  return Vec(_mm512_dpbf16_ps(__m512(sum), __builtin_bit_cast(__m512bh, a), __builtin_bit_cast(__m512bh, b)));
}

#else

static inline UintVec round_pairs(Vec first, Vec second) {
  return plain_round_pairs(first, second);
}

static inline Vec pair_product(UintVec a, UintVec b, Vec sum) {
  return plain_pair_product(a, b, sum);
}

#endif

// An operand of multiply.h of which both factors are pairs: a step of its depth is two elements.
struct Pairs {
  using Element = uint32_t;
  using Column = UintVec;
  using Factor = LoosePair;
  static constexpr int parts = 1;
  template <int, int vectors>
  static void load_part(const uint32_t* from, UintVec (&row)[vectors]) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) row[v] = load_pairs(from + v * lanes);
  }
  template <int>
  static UintVec broadcast(const LoosePair* from) {
    return *from - UintVec{};
  }
  static Vec multiply_add(UintVec factor, UintVec column, Vec sum) {
    return pair_product(factor, column, sum);
  }
};

// The same of which the broadcast factors are float32: exact products, in two parts.
struct PairsByFloat {
  using Element = uint32_t;
  using Column = Vec;
  struct __attribute__((may_alias)) Factor {
    float of[2];
  };
  static constexpr int parts = 2;
  template <int part, int vectors>
  static void load_part(const uint32_t* from, Vec (&row)[vectors]) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      const UintVec pairs = load_pairs(from + v * lanes);
      row[v] = part == 0 ? first_of_pairs(pairs) : second_of_pairs(pairs);
    }
  }
  template <int part>
  static Vec broadcast(const Factor* from) {
    return splat(from->of[part]);
  }
  static Vec multiply_add(Vec factor, Vec column, Vec sum) {
    return HEED_ISA::multiply_add(factor, column, sum);
  }
};

}  // namespace heed::cpu::HEED_ISA
