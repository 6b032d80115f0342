// exp2, tanh and similar functions on vectors. The polynomials are minimax fits computed for heed; the stated
// errors are theirs.
#pragma once

#include "cpu/kernels/intrinsics.h"
#include "cpu/kernels/vector.h"

namespace heed::cpu::HEED_ISA {

static constexpr float log2_e = 1.44269504088896341f;
static constexpr float ln_2 = 0.693147180559945309f;

// 2^x for x ≤ 127, relative error 9.2e-8 + rounding; 0 far below −126, NaN for NaN. 2^0 is exactly 1, because
// the online softmax multiplies by it at every tile without a new maximum.
#if defined(HEED_USE_AVX512)
// The instructions split x into floor and fraction, and scale by 2^floor.
static inline Vec exp2(Vec x) {
  const Vec f = Vec(_mm512_reduce_ps(__m512(x), _MM_FROUND_TO_NEG_INF));
  Vec p = splat(0x1.e974fap-10f);
  p = multiply_add(p, f, splat(0x1.277856p-7f));
  p = multiply_add(p, f, splat(0x1.c91ce6p-5f));
  p = multiply_add(p, f, splat(0x1.ebdb56p-3f));
  p = multiply_add(p, f, splat(0x1.62e4bap-1f));
  p = multiply_add(p, f, splat(1));
  return Vec(_mm512_scalef_ps(__m512(p), __m512(x)));
}
#else
static inline Vec exp2(Vec x) {
  // This order of the operands propagates NaN.
  const Vec clamped = maximum(splat(-127.0f), x);
  // Adding 1.5 · 2^23 rounds to an integer; the extra 127 makes the low bits the exponent field of 2^n.
  const Vec magic = splat(0x1.8p23f + 127.0f);
  const Vec shifted = clamped + magic;
  const Vec f = clamped - (shifted - magic);
  Vec p = splat(0x1.5bba14p-10f);
  p = multiply_add(p, f, splat(0x1.3cea88p-7f));
  p = multiply_add(p, f, splat(0x1.c6b752p-5f));
  p = multiply_add(p, f, splat(0x1.ebf9bcp-3f));
  p = multiply_add(p, f, splat(0x1.62e42ap-1f));
  p = multiply_add(p, f, splat(1));
  // Multiplies instead of adding to the exponent bits, so that NaN stays NaN and n = −127 gives 0.
  return p * as_float(as_int(shifted) << 23);
}
#endif

// 1 / x for x ≥ 1, relative error 1.2e-7; about 0 for ∞.
#if defined(HEED_USE_AVX512)
// A Newton step would turn ∞ into NaN.
static inline Vec reciprocal(Vec x) {
  const Vec y = x > splat(0x1p100f) ? splat(0x1p100f) : x;
  const Vec r = Vec(_mm512_rcp14_ps(__m512(y)));
  return r * multiply_add(-y, r, splat(2));
}
#else
static inline Vec reciprocal(Vec x) {
  return splat(1) / x;
}
#endif

// The natural logarithm of a positive, normal, finite number, relative error 2e-7, also near 1.
static inline Vec log(Vec x) {
  // x = m · 2^e with m from √½ to √2.
  const IntVec exponent = (as_int(x) - splat_int(0x3f3504f3)) >> 23;
  const Vec m = as_float(as_int(x) - (exponent << 23));
  const Vec z = (m - splat(1)) / (m + splat(1)), y = z * z;  // log m = 2 artanh z
  Vec p = splat(2.0f / 9);
  p = multiply_add(p, y, splat(2.0f / 7));
  p = multiply_add(p, y, splat(2.0f / 5));
  p = multiply_add(p, y, splat(2.0f / 3));
  return multiply_add(__builtin_convertvector(exponent, Vec), splat(ln_2),
                      multiply_add(z * y, p, z * splat(2)));
}

// tanh, relative error 3e-7. Small arguments have their own polynomial, because 1 − 2 / (e^2x + 1) would lose
// their digits.
static inline Vec tanh(Vec x) {
  const Vec magnitude = as_float(as_int(x) & splat_int(0x7fffffff));
  const Vec y = x * x;
  Vec p = splat(-0.00571704376f);
  p = multiply_add(p, y, splat(0.0206505860f));
  p = multiply_add(p, y, splat(-0.0537434976f));
  p = multiply_add(p, y, splat(0.133314912f));
  p = multiply_add(p, y, splat(-0.333332839f));
  const Vec small = multiply_add(x * y, p, x);
  // tanh(10) is 1 in float32; clamping keeps exp2 in range and preserves NaN.
  const Vec clamped = magnitude > splat(10.0f) ? splat(10.0f) : magnitude;
  const Vec large = splat(1.0f) - splat(2.0f) / (exp2(clamped * splat(2 * log2_e)) + splat(1.0f));
  const Vec signed_large = as_float(as_int(large) | (as_int(x) & splat_int(INT32_MIN)));
  return magnitude < splat(0.625f) ? small : signed_large;
}

// Multiplies each of `count` numbers by its factor; `to` may be `from`.
static inline void multiply_each(const float* from, const float* factors, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(to + i, load(from + i) * load(factors + i));
  for (; i < count; ++i) to[i] = from[i] * factors[i];
}

}  // namespace heed::cpu::HEED_ISA
