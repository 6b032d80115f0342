// Float vectors of the instruction set being compiled, based on the compiler's vector extensions: plain
// arithmetic on a Vec becomes the widest instructions that the unit is compiled for.
#pragma once

#include <cstdint>
#include <utility>

#include "cpu/kernels/compiler.h"
#include "cpu/kernels/intrinsics.h"
#include "cpu/kernels/width.h"

namespace heed::cpu::HEED_ISA {

typedef float Vec __attribute__((vector_size(lanes * 4)));
typedef int32_t IntVec __attribute__((vector_size(lanes * 4)));
typedef uint32_t UintVec __attribute__((vector_size(lanes * 4)));

// The same vector in memory, with any alignment and any declared type.
typedef float LooseVec __attribute__((vector_size(lanes * 4), aligned(4), may_alias));
typedef uint32_t LooseUintVec __attribute__((vector_size(lanes * 4), aligned(4), may_alias));
typedef int32_t LooseIntVec __attribute__((vector_size(lanes * 4), aligned(4), may_alias));

static inline Vec load(const float* from) {
  return *reinterpret_cast<const LooseVec*>(from);
}
static inline void store(float* to, Vec v) {
  *reinterpret_cast<LooseVec*>(to) = v;
}

// Where a vector that was loaded is used several times, GCC would load it each time, and loads are what such
// loops have too many of.
static inline void keep_in_register([[maybe_unused]] Vec& v) {
#if defined(HEED_USE_NEON)
  asm("" : "+w"(v));
#elif defined(__x86_64__)
#if defined(__AVX512F__)
  constexpr int widest = 16;
#elif defined(__AVX__)
  constexpr int widest = 8;
#else
  constexpr int widest = 4;
#endif
  // Not where 16 lanes are compiled to AVX2, for tests.
  if constexpr (lanes <= widest) asm("" : "+v"(v));
#endif
}

static inline IntVec load(const int32_t* from) {
  return *reinterpret_cast<const LooseIntVec*>(from);
}

static inline UintVec load(const uint32_t* from) {
  return *reinterpret_cast<const LooseUintVec*>(from);
}

static inline Vec splat(float x) {
  return x - Vec{};
}
static inline IntVec splat_int(int32_t x) {
  return x - IntVec{};
}

static inline Vec as_float(IntVec v) {
  return reinterpret_cast<Vec>(v);
}
static inline IntVec as_int(Vec v) {
  return reinterpret_cast<IntVec>(v);
}
static inline UintVec as_uint(Vec v) {
  return reinterpret_cast<UintVec>(v);
}

// a · b + c, rounded once if the instruction set can. The compiler must not fuse by itself
// (-ffp-contract=off): it would round the product in one copy of a loop but not in another, and equal keys
// would get different scores.
static inline Vec multiply_add(Vec a, Vec b, Vec c) {
#if defined(HEED_USE_AVX512)
  return Vec(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
#elif defined(HEED_USE_AVX2)
  Vec sum;
  for (int i = 0; i < lanes; i += 8) {  // twice where 16 lanes are compiled to AVX2, for tests
    __m256 of_a, of_b, of_c;
    __builtin_memcpy(&of_a, reinterpret_cast<const float*>(&a) + i, sizeof of_a);
    __builtin_memcpy(&of_b, reinterpret_cast<const float*>(&b) + i, sizeof of_b);
    __builtin_memcpy(&of_c, reinterpret_cast<const float*>(&c) + i, sizeof of_c);
    const __m256 part = _mm256_fmadd_ps(of_a, of_b, of_c);
    __builtin_memcpy(reinterpret_cast<float*>(&sum) + i, &part, sizeof part);
  }
  return sum;
#elif defined(HEED_USE_NEON)
  return Vec(vfmaq_f32(float32x4_t(c), float32x4_t(a), float32x4_t(b)));
#else
  return a * b + c;
#endif
}
static inline float multiply_add(float a, float b, float c) {
#if defined(HEED_USE_AVX512) || defined(HEED_USE_AVX2) || defined(HEED_USE_NEON)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

// Returns `b` if either is NaN, as the hardware does.
static inline Vec maximum(Vec a, Vec b) {
  return a > b ? a : b;
}

static constexpr float infinity = __builtin_inff();

// Lane i becomes lane index(i) of a, or of b where index(i) ≥ lanes.
template <class Index, int... I>
static inline Vec shuffle(Vec a, Vec b, Index, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, Index{}(I)...);
}
template <class Index>
static inline Vec shuffle(Vec a, Vec b, Index index) {
  return shuffle(a, b, index, std::make_integer_sequence<int, lanes>{});
}

// The even, or the odd, lanes of both.
struct EvenLanes {
  constexpr int operator()(int i) const { return 2 * i; }
};
struct OddLanes {
  constexpr int operator()(int i) const { return 2 * i + 1; }
};

template <int half>
struct RotateBy {
  constexpr int operator()(int i) const { return (i + half) % lanes; }
};

// Folds the upper half onto the lower until one lane remains.
template <class Combine, int half = lanes / 2>
static inline float reduce(Vec v, Combine combine) {
  v = combine(v, shuffle(v, v, RotateBy<half>{}));
  if constexpr (half > 1) {
    return reduce<Combine, half / 2>(v, combine);
  } else {
    return v[0];
  }
}
static inline float horizontal_sum(Vec v) {
  return reduce(v, [](Vec a, Vec b) { return a + b; });
}
static inline float horizontal_maximum(Vec v) {
  return reduce(v, maximum);
}

// Whether a lane has any bits.
static inline bool any_lane(IntVec v) {
  uint64_t words[lanes / 2], any = 0;
  __builtin_memcpy(words, &v, sizeof v);
  for (const uint64_t word : words) any |= word;
  return any != 0;
}

template <int block>
struct SwapLow {
  constexpr int operator()(int i) const { return i & block ? lanes + i - block : i; }
};
template <int block>
struct SwapHigh {
  constexpr int operator()(int i) const { return i & block ? lanes + i : i + block; }
};

// Transposes: swaps the off-diagonal blocks of every size.
template <int block = 1>
static inline void transpose(Vec (&v)[lanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) {
    if (i & block) continue;
    const Vec a = v[i], b = v[i + block];
    v[i] = shuffle(a, b, SwapLow<block>{});
    v[i + block] = shuffle(a, b, SwapHigh<block>{});
  }
  if constexpr (block * 2 < lanes) transpose<block * 2>(v);
}

}  // namespace heed::cpu::HEED_ISA
