// The lengths of vectors, for cosine scores.
#pragma once

#include "cpu/kernels/storage.h"

namespace heed::cpu::HEED_ISA {

// Whether a sum of squares neither underflows nor exceeds float32.
static inline bool in_range(float squares) {
  return squares > 1e-30f && squares < 1e37f;
}

// 1 / √Σ. A vector of length 0 has no direction and gets 0.
static inline float inverse_root(double squares) {
  if (squares == 0) return 0;
  const double inverse = 1 / __builtin_sqrt(squares);
  return inverse > double{__FLT_MAX__} ? __FLT_MAX__ : static_cast<float>(inverse);
}

// 1 / ‖x‖, or 0 for zeros. vector_at(d) gives `lanes` elements of x, and at(d) gives one.
template <class VectorAt, class At>
static inline float inverse_length_of(int64_t width, VectorAt vector_at, At at) {
  Vec sums{};
  int64_t d = 0;
  for (; d + lanes <= width; d += lanes) {
    const Vec x = vector_at(d);
    sums = multiply_add(x, x, sums);
  }
  float squares = horizontal_sum(sums);
  for (; d < width; ++d) squares = multiply_add(at(d), at(d), squares);
  if (in_range(squares)) return 1 / __builtin_sqrtf(squares);
  double exact = 0;
  for (d = 0; d < width; ++d) exact += double{at(d)} * at(d);
  return inverse_root(exact);
}

template <class Type>
static inline float inverse_length(const typename Type::Element* row, int64_t width) {
  return inverse_length_of(
      width, [&](int64_t d) { return Type::load(row + d); }, [&](int64_t d) { return Type::get(row[d]); });
}

// The same with a factor for each element.
template <class Type>
static inline float inverse_length(const typename Type::Element* row, int64_t width, const float* factors) {
  if (!factors) return inverse_length<Type>(row, width);
  return inverse_length_of(
      width, [&](int64_t d) { return Type::load(row + d) * load(factors + d); },
      [&](int64_t d) { return Type::get(row[d]) * factors[d]; });
}

}  // namespace heed::cpu::HEED_ISA
