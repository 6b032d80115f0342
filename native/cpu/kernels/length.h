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

// 1 / ‖row‖, or 0 for a row of zeros.
template <class Type>
static inline float inverse_length(const typename Type::Element* row, int64_t width) {
  Vec sums{};
  int64_t d = 0;
  for (; d + lanes <= width; d += lanes) {
    const Vec x = Type::load(row + d);
    sums = multiply_add(x, x, sums);
  }
  float squares = horizontal_sum(sums);
  for (; d < width; ++d) squares = multiply_add(Type::get(row[d]), Type::get(row[d]), squares);
  if (in_range(squares)) return 1 / __builtin_sqrtf(squares);
  double exact = 0;
  for (d = 0; d < width; ++d) exact += double{Type::get(row[d])} * Type::get(row[d]);
  return inverse_root(exact);
}

}  // namespace heed::cpu::HEED_ISA
