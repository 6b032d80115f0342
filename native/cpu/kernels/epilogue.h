// The elements of an epilogue: activations, gates and caps, on the sums of a row.
#pragma once

#include "core/epilogue.h"
#include "cpu/kernels/math.h"
#include "cpu/kernels/vector.h"

namespace heed::cpu::HEED_ISA {

// 1 / (1 + e^−x): e^−|x| is at most 1, whatever x is.
static inline Vec sigmoid(Vec x) {
  const Vec magnitude = as_float(as_int(x) & splat_int(0x7fffffff));
  const Vec e = exp2(magnitude * splat(-log2_e));
  return (x < splat(0) ? e : splat(1)) / (splat(1) + e);
}

struct Unchanged {
  static Vec of(Vec x) { return x; }
};
struct Silu {
  static Vec of(Vec x) { return x * sigmoid(x); }
};
// x Φ(x), where Φ is the distribution function of the standard normal distribution. Φ(−|x|) = R(t) e^(−x²/2)
// with t = 1 / (1 + 0.36 |x|), relative error 6.8e-8 + rounding; the fit was computed for heed.
struct Gelu {
  static Vec of(Vec x) {
    const Vec magnitude = as_float(as_int(x) & splat_int(0x7fffffff));
    const Vec t = splat(1) / multiply_add(magnitude, splat(0.36f), splat(1));
    Vec p = splat(-0.02992035076f);
    p = multiply_add(p, t, splat(0.1377260983f));
    p = multiply_add(p, t, splat(-0.2194890380f));
    p = multiply_add(p, t, splat(0.1022652835f));
    p = multiply_add(p, t, splat(0.003341985168f));
    p = multiply_add(p, t, splat(0.0944012180f));
    p = multiply_add(p, t, splat(0.1244292185f));
    p = multiply_add(p, t, splat(0.1436247230f));
    p = multiply_add(p, t, splat(0.1436208189f));
    const Vec below = p * t * exp2(x * x * splat(-0.5f * log2_e));
    return x * (x < splat(0) ? below : splat(1) - below);
  }
};
// x (1 + tanh u) / 2 with u = √(2/π) (x + 0.044715 x³), which is x / (1 + e^−2u).
struct GeluTanh {
  static Vec of(Vec x) {
    const Vec u = x * multiply_add(x * x, splat(0.044715f), splat(1));
    return x * sigmoid(u * splat(1.59576912161f));
  }
};
// NaN stays NaN.
struct Relu {
  static Vec of(Vec x) { return x < splat(0) ? splat(0) : x; }
};

template <class F>
static inline auto with_activation(Activation activation, F f) {
  switch (activation) {
    case Activation::silu:
      return f(Silu{});
    case Activation::gelu:
      return f(Gelu{});
    case Activation::gelu_tanh:
      return f(GeluTanh{});
    case Activation::relu:
      return f(Relu{});
    case Activation::none:
      break;
  }
  return f(Unchanged{});
}

// Replaces x by f(x), `lanes` numbers at a time. The rest takes a whole vector, too: an element gets the same
// bits wherever it stands.
template <class F>
static inline void replace(float* x, int64_t count, F f) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(x + i, f(load(x + i)));
  if (i == count) return;
  alignas(64) float rest[lanes] = {};
  for (int64_t k = i; k < count; ++k) rest[k - i] = x[k];
  store(rest, f(load(rest)));
  for (int64_t k = i; k < count; ++k) x[k] = rest[k - i];
}

// The same for pairs of neighbours, which become half as many numbers at the start of x.
template <class F>
static inline void join_pairs(float* x, int64_t pairs, F f) {
  const auto join = [&](const float* from) {
    const Vec first = load(from), second = load(from + lanes);
    return f(shuffle(first, second, EvenLanes{}), shuffle(first, second, OddLanes{}));
  };
  int64_t i = 0;
  for (; i + lanes <= pairs; i += lanes) store(x + i, join(x + 2 * i));
  if (i == pairs) return;
  alignas(64) float rest[2 * lanes] = {};
  for (int64_t k = 2 * i; k < 2 * pairs; ++k) rest[k - 2 * i] = x[k];
  store(rest, join(rest));
  for (int64_t k = i; k < pairs; ++k) x[k] = rest[k - i];
}

// Applies all but the residual to the sums of `columns` columns, in place.
static inline void finish_sums(const Epilogue& epilogue, float* sums, int64_t columns) {
  const int64_t count = columns / epilogue.columns_per_element();
  with_activation(epilogue.activation, [&](auto type) {
    using Function = decltype(type);
    if (epilogue.gated) {
      join_pairs(sums, count, [](Vec gate, Vec up) { return Function::of(gate) * up; });
    } else {
      replace(sums, count, [](Vec x) { return Function::of(x); });
    }
  });
  if (epilogue.softcap == 0) return;
  const Vec cap = splat(epilogue.softcap);
  replace(sums, count, [&](Vec x) { return cap * tanh(x / cap); });
}

}  // namespace heed::cpu::HEED_ISA
