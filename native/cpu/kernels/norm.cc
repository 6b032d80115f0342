// RMSNorm and LayerNorm of whole rows, with the sum of a residual.
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/normalise.h"
#include "cpu/kernels/scratch_cursor.h"
#include "cpu/kernels/storage.h"

namespace heed::cpu::HEED_ISA {

// The factors of a row's elements, and the row, as float32.
struct NormScratch {
  float *weight, *bias, *x;
  size_t size;

  NormScratch(int64_t width, void* scratch) {
    ScratchCursor cursor{scratch};
    weight = cursor.take<float>(width);
    bias = cursor.take<float>(width);
    x = cursor.take<float>(width);
    size = cursor.used();
  }
};

size_t normalise_scratch(int64_t width) {
  return NormScratch(width, nullptr).size;
}

static void widen_factors(const NormProblem& p, const NormScratch& scratch) {
  with_type(p.weight_type, [&](auto type) {
    using Type = decltype(type);
    widen<Type>(static_cast<const typename Type::Element*>(p.weight), p.width, scratch.weight);
  });
  for (int64_t i = 0; i < p.width; ++i) scratch.weight[i] += p.offset;
  if (p.bias == nullptr) {
    // Adding −0 changes no number, not even −0.
    for (int64_t i = 0; i < p.width; ++i) scratch.bias[i] = -0.0f;
    return;
  }
  with_type(p.bias_type, [&](auto type) {
    using Type = decltype(type);
    widen<Type>(static_cast<const typename Type::Element*>(p.bias), p.width, scratch.bias);
  });
}

// A row whose squares are beyond float32: everything in float64, in place.
static void normalise_in_double(const NormProblem& p, const NormScratch& scratch) {
  const auto width = static_cast<double>(p.width);
  double sum = 0, squares = 0;
  for (int64_t i = 0; p.centered && i < p.width; ++i) sum += static_cast<double>(scratch.x[i]);
  const double mean = sum / width;
  for (int64_t i = 0; i < p.width; ++i) {
    const double from_mean = static_cast<double>(scratch.x[i]) - mean;
    squares += from_mean * from_mean;
  }
  const double factor = 1 / __builtin_sqrt(squares / width + static_cast<double>(p.epsilon));
  for (int64_t i = 0; i < p.width; ++i) {
    const double normal = (static_cast<double>(scratch.x[i]) - mean) * factor;
    scratch.x[i] = static_cast<float>(normal * static_cast<double>(scratch.weight[i]) +
                                      static_cast<double>(scratch.bias[i]));
  }
}

// How normalised elements are written: as they are, or added to others.
template <class Type>
struct Written {
  typename Type::Element* to;
  void put(int64_t i, Vec x) const { Type::store(to + i, x); }
  void put(int64_t i, float x) const { to[i] = Type::put(x); }
};
template <class Type>
struct Added {
  typename Type::Element* to;
  const typename Type::Element* addend;
  void put(int64_t i, Vec x) const { Type::store(to + i, x + Type::load(addend + i)); }
  void put(int64_t i, float x) const { to[i] = Type::put(x + Type::get(addend[i])); }
};

template <class Output>
static inline void normalise_row(const NormProblem& p, const NormScratch& scratch, Output output) {
  const float mean = p.centered ? mean_of(scratch.x, p.width) : 0;
  const float variance = squares_around(mean, scratch.x, p.width) / static_cast<float>(p.width) + p.epsilon;
  // NaN, too: a mean may be beyond float32 where the elements are not.
  if (!(variance >= 1e-30f && variance < infinity)) {
    normalise_in_double(p, scratch);
    for (int64_t i = 0; i < p.width; ++i) output.put(i, scratch.x[i]);
    return;
  }
  const float factor = 1 / __builtin_sqrtf(variance);
  int64_t i = 0;
  for (; i + lanes <= p.width; i += lanes) {
    const Vec normal = (load(scratch.x + i) - splat(mean)) * splat(factor);
    output.put(i, multiply_add(normal, load(scratch.weight + i), load(scratch.bias + i)));
  }
  for (; i < p.width; ++i)
    output.put(i, multiply_add((scratch.x[i] - mean) * factor, scratch.weight[i], scratch.bias[i]));
}

// Adds the residual to a row, and widens the sum that was rounded: as if another operation had read it.
template <class Type>
static inline void add_rows(const typename Type::Element* x, const typename Type::Element* residual,
                            int64_t width, typename Type::Element* sum, float* widened) {
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    Type::store(sum + i, Type::load(x + i) + Type::load(residual + i));
    store(widened + i, Type::load(sum + i));
  }
  for (; i < width; ++i) {
    sum[i] = Type::put(Type::get(x[i]) + Type::get(residual[i]));
    widened[i] = Type::get(sum[i]);
  }
}

void normalise_rows(const NormProblem& p, int64_t first, int64_t count, void* memory) {
  const NormScratch scratch(p.width, memory);
  widen_factors(p, scratch);
  with_type(p.type, [&](auto type) {
    using Type = decltype(type);
    using Element = typename Type::Element;
    for (int64_t row = first; row < first + count; ++row) {
      const int64_t at = row * p.width;
      const Element* x = static_cast<const Element*>(p.input) + at;
      if (p.residual != nullptr) {
        add_rows<Type>(x, static_cast<const Element*>(p.residual) + at, p.width,
                       static_cast<Element*>(p.sum) + at, scratch.x);
      } else {
        widen<Type>(x, p.width, scratch.x);
      }
      auto* to = static_cast<Element*>(p.output) + at;
      if (p.addend != nullptr) {
        normalise_row(p, scratch, Added<Type>{to, static_cast<const Element*>(p.addend) + at});
      } else {
        normalise_row(p, scratch, Written<Type>{to});
      }
    }
  });
}

}  // namespace heed::cpu::HEED_ISA
