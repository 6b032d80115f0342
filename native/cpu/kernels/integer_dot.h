// Sums of four products of bytes in int32, and what leads there: each instruction in a wrapper beside a plain
// body that computes the same. Tests compare the two wherever a processor has the instruction.
#pragma once

#include "cpu/kernels/vector.h"

namespace heed::cpu::HEED_ISA {

typedef int16_t ShortVec __attribute__((vector_size(lanes * 4)));
typedef int16_t HalfShortVec __attribute__((vector_size(lanes * 2)));
typedef int8_t QuarterByteVec __attribute__((vector_size(lanes)));

// a₀ b₀ + a₁ b₁ of the int16 in each lane (PMADDWD). The sum of two products of bytes is far from overflow.
static inline IntVec plain_pair_sums(IntVec a, IntVec b) {
  return ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
}

// sum + Σ aᵢ bᵢ of the four bytes in each lane, those of a unsigned, those of b signed (VPDPBUSD). Sums
// beyond int32 wrap around, so that intermediate sums may be beyond.
static inline IntVec plain_byte_sums(IntVec sum, IntVec a, IntVec b) {
  UintVec sums = reinterpret_cast<UintVec>(sum);
#pragma GCC unroll 4
  for (int shift = 0; shift < 32; shift += 8) {
    const UintVec of_a = (reinterpret_cast<UintVec>(a) >> shift) & 255u;
    sums += of_a * reinterpret_cast<UintVec>((b << (24 - shift)) >> 24);
  }
  return reinterpret_cast<IntVec>(sums);
}

// |aᵢ| of the four bytes in each lane, unsigned: |−128| is 128 (VPABSB).
static inline IntVec plain_magnitudes(IntVec a) {
  UintVec magnitudes{};
#pragma GCC unroll 4
  for (int shift = 0; shift < 32; shift += 8) {
    const IntVec byte = (a << (24 - shift)) >> 24;
    magnitudes |= reinterpret_cast<UintVec>(byte < 0 ? -byte : byte) << shift;
  }
  return reinterpret_cast<IntVec>(magnitudes);
}

// sum + Σ aᵢ bᵢ of the four bytes in each lane, all signed; `magnitudes` are those of a, and no byte of b is
// −128. b gets the signs of a (VPSIGNB), then unsigned bytes times signed ones are added in pairs as int16
// (VPMADDUBSW), where two products of up to 128 · 127 fit.
static inline IntVec plain_signed_byte_sums(IntVec sum, IntVec a, IntVec, IntVec b) {
#pragma GCC unroll 4
  for (int shift = 0; shift < 32; shift += 8)
    sum += ((a << (24 - shift)) >> 24) * ((b << (24 - shift)) >> 24);
  return sum;
}

// A table of 16 bytes, in every 16 bytes of a vector.
static inline IntVec repeat(const uint8_t (&table)[16]) {
  IntVec repeated;
  for (int i = 0; i < lanes / 4; ++i)
    __builtin_memcpy(reinterpret_cast<char*>(&repeated) + 16 * i, table, sizeof table);
  return repeated;
}

// The byte of the table for each byte of `codes`, 0 to 15 (PSHUFB).
static inline IntVec plain_look_up(IntVec table, IntVec codes) {
  uint8_t of_table[lanes * 4], bytes[lanes * 4];
  __builtin_memcpy(of_table, &table, sizeof table);
  __builtin_memcpy(bytes, &codes, sizeof codes);
  for (uint8_t& byte : bytes) byte = of_table[byte];
  __builtin_memcpy(&codes, bytes, sizeof codes);
  return codes;
}

#if defined(HEED_USE_AVX512)
static inline IntVec pair_sums(IntVec a, IntVec b) {
  return IntVec(_mm512_madd_epi16(__m512i(a), __m512i(b)));
}
static inline IntVec look_up(IntVec table, IntVec codes) {
  return IntVec(_mm512_shuffle_epi8(__m512i(table), __m512i(codes)));
}
#elif defined(HEED_USE_AVX2) && HEED_LANES == 8
static inline IntVec pair_sums(IntVec a, IntVec b) {
  return IntVec(_mm256_madd_epi16(__m256i(a), __m256i(b)));
}
static inline IntVec look_up(IntVec table, IntVec codes) {
  return IntVec(_mm256_shuffle_epi8(__m256i(table), __m256i(codes)));
}
#elif defined(HEED_USE_NEON)
static inline IntVec pair_sums(IntVec a, IntVec b) {
  const auto of_a = int16x8_t(a), of_b = int16x8_t(b);
  return IntVec(vpaddq_s32(vmull_s16(vget_low_s16(of_a), vget_low_s16(of_b)), vmull_high_s16(of_a, of_b)));
}
static inline IntVec look_up(IntVec table, IntVec codes) {
  return IntVec(vqtbl1q_u8(uint8x16_t(table), uint8x16_t(codes)));
}
#else
static inline IntVec pair_sums(IntVec a, IntVec b) {
#if defined(__SSE2__) && HEED_LANES == 4
  return IntVec(_mm_madd_epi16(__m128i(a), __m128i(b)));
#else
  return plain_pair_sums(a, b);
#endif
}
static inline IntVec look_up(IntVec table, IntVec codes) {
  return plain_look_up(table, codes);
}
#endif

#if defined(HEED_USE_AVX2) && HEED_LANES == 8
static inline IntVec magnitudes_of(IntVec a) {
  return IntVec(_mm256_abs_epi8(__m256i(a)));
}
static inline IntVec signed_byte_sums(IntVec sum, IntVec a, IntVec magnitudes, IntVec b) {
  const __m256i with_signs = _mm256_sign_epi8(__m256i(b), __m256i(a));
  const __m256i pairs = _mm256_maddubs_epi16(__m256i(magnitudes), with_signs);
  return sum + IntVec(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#elif defined(HEED_USE_NEON)
// The instructions multiply signed bytes as they are.
static inline IntVec magnitudes_of(IntVec a) {
  return IntVec(vabsq_s8(int8x16_t(a)));
}
#if defined(HEED_USE_DOTPROD)
static inline IntVec signed_byte_sums(IntVec sum, IntVec a, IntVec, IntVec b) {
  return IntVec(vdotq_s32(int32x4_t(sum), int8x16_t(a), int8x16_t(b)));
}
#else
static inline IntVec signed_byte_sums(IntVec sum, IntVec a, IntVec, IntVec b) {
  const auto of_a = int8x16_t(a), of_b = int8x16_t(b);
  const int16x8_t low = vmull_s8(vget_low_s8(of_a), vget_low_s8(of_b)), high = vmull_high_s8(of_a, of_b);
  return IntVec(vpadalq_s16(int32x4_t(sum), vpaddq_s16(low, high)));
}
#endif
#else
static inline IntVec magnitudes_of(IntVec a) {
  return plain_magnitudes(a);
}
static inline IntVec signed_byte_sums(IntVec sum, IntVec a, IntVec magnitudes, IntVec b) {
  return plain_signed_byte_sums(sum, a, magnitudes, b);
}
#endif

#if defined(HEED_USE_AVX512VNNI)
static inline IntVec byte_sums(IntVec sum, IntVec a, IntVec b) {
  return IntVec(_mm512_dpbusd_epi32(__m512i(sum), __m512i(a), __m512i(b)));
}
#elif defined(HEED_USE_AVXVNNI)
static inline IntVec byte_sums(IntVec sum, IntVec a, IntVec b) {
  return IntVec(_mm256_dpbusd_avx_epi32(__m256i(sum), __m256i(a), __m256i(b)));
}
#else
static inline IntVec byte_sums(IntVec sum, IntVec a, IntVec b) {
  return plain_byte_sums(sum, a, b);
}
#endif

// Four elements, read as one lane.
static inline IntVec broadcast_word(const void* from) {
  int32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return splat_int(word);
}

// How an instruction set multiplies: what inputs become, and what is added to weights. add() adds to
// sums[m][v] the products of four inputs of row m with the four bytes of each lane of weights[v].

// Inputs as int8, in order.
struct ByteInputs {
  using Input = int8_t;

  static void store(int8_t* to, IntVec numbers) {
    const QuarterByteVec bytes = __builtin_convertvector(numbers, QuarterByteVec);
    __builtin_memcpy(to, &bytes, sizeof bytes);
  }
};

// With VPDPBUSD: weights are unsigned, 128 more than they are, and 128 Σ x is subtracted from sums. It is the
// weights, not the inputs, because AVX-512 broadcasts the signed operand as it reads it from memory.
struct ByteDots : ByteInputs {
  static constexpr int most_rows = 6;  // of a tile: 16 or 32 registers have to do
  static constexpr int added = 128;

  template <int rows, int vectors>
  static __attribute__((always_inline)) void add(const int8_t* input, int64_t stride,
                                                 const IntVec (&weights)[vectors],
                                                 IntVec (&sums)[rows][vectors]) {
#pragma GCC unroll 16
    for (int m = 0; m < rows; ++m) {
      const IntVec factor = broadcast_word(input + m * stride);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) sums[m][v] = byte_sums(sums[m][v], weights[v], factor);
    }
  }
};

// With VPMADDUBSW, which AVX2 has and AVX-512 has no VPSIGNB for: all rows share the magnitudes of weights.
// And with SDOT, or SMULL, ADDP and SADALP, of NEON, which take no magnitudes.
struct SignedDots : ByteInputs {
  static constexpr int most_rows = 4;
  static constexpr int added = 0;

  template <int rows, int vectors>
  static __attribute__((always_inline)) void add(const int8_t* input, int64_t stride,
                                                 const IntVec (&weights)[vectors],
                                                 IntVec (&sums)[rows][vectors]) {
    IntVec magnitudes[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) magnitudes[v] = magnitudes_of(weights[v]);
#pragma GCC unroll 16
    for (int m = 0; m < rows; ++m) {
      const IntVec factor = broadcast_word(input + m * stride);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v)
        sums[m][v] = signed_byte_sums(sums[m][v], weights[v], magnitudes[v], factor);
    }
  }
};

// With PMADDWD: weights are widened in registers, which all rows share, the even bytes and the odd bytes, and
// inputs are int16 in this order.
struct PairDots {
  using Input = int16_t;
  static constexpr int most_rows = 4;
  static constexpr int added = 0;

  struct EvenFirst {
    constexpr int operator()(int i) const { return i / 4 * 4 + (i % 4 < 2 ? i % 4 * 2 : i % 4 * 2 - 3); }
  };
  template <int... I>
  static HalfShortVec reorder(HalfShortVec v, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(v, v, EvenFirst{}(I)...);
  }
  static void store(int16_t* to, IntVec numbers) {
    const HalfShortVec ordered =
        reorder(__builtin_convertvector(numbers, HalfShortVec), std::make_integer_sequence<int, lanes>{});
    __builtin_memcpy(to, &ordered, sizeof ordered);
  }

  template <int rows, int vectors>
  static __attribute__((always_inline)) void add(const int16_t* input, int64_t stride,
                                                 const IntVec (&weights)[vectors],
                                                 IntVec (&sums)[rows][vectors]) {
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; ++odd) {
      IntVec wide[vectors];
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) {
        const ShortVec both = reinterpret_cast<ShortVec>(weights[v]);
        wide[v] = reinterpret_cast<IntVec>((odd ? both : both << 8) >> 8);
      }
#pragma GCC unroll 16
      for (int m = 0; m < rows; ++m) {
        const IntVec factor = broadcast_word(input + m * stride + 2 * odd);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) sums[m][v] += pair_sums(wide[v], factor);
      }
    }
  }
};

#if defined(HEED_USE_NEON)
using Dots = SignedDots;
#elif HEED_BYTE_DOTS
using Dots = ByteDots;
#elif HEED_LANES == 8
using Dots = SignedDots;
#else
using Dots = PairDots;
#endif

}  // namespace heed::cpu::HEED_ISA
