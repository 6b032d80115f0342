// Dot products of a few rows with many rows that lie contiguous in memory: decoding against a cache, and
// projections of a row or two with a weight that was not packed. Every element of the long side is read once.
#pragma once

#include "cpu/kernels/multiply.h"

namespace heed::cpu::HEED_ISA {

template <class F>
static inline void for_rows_by_four(int64_t count, F f) {
  int64_t first = 0;
  for (; count - first >= 4; first += 4) f(Rows<4>{}, first);
  if (count - first == 3) f(Rows<3>{}, first);
  if (count - first == 2) f(Rows<2>{}, first);
  if (count - first == 1) f(Rows<1>{}, first);
}

// out[m · m_pitch + n · n_pitch] = a[m] · b[n] for m < rows, n < columns.
template <class Type, int rows, int columns>
static inline void dot_tile(const float* a, int64_t a_stride, const typename Type::Element* b,
                            int64_t b_stride, int64_t width, float* out, int64_t m_pitch, int64_t n_pitch) {
  Vec acc[rows][columns] = {};
  int64_t d = 0;
  for (; d + lanes <= width; d += lanes) {
    Vec left[rows];
#pragma GCC unroll 8
    for (int m = 0; m < rows; ++m) left[m] = load(a + m * a_stride + d);
#pragma GCC unroll 8
    for (int n = 0; n < columns; ++n) {
      const Vec right = Type::load(b + n * b_stride + d);
#pragma GCC unroll 8
      for (int m = 0; m < rows; ++m) acc[m][n] += left[m] * right;
    }
  }
  for (int m = 0; m < rows; ++m) {
    for (int n = 0; n < columns; ++n) {
      float sum = horizontal_sum(acc[m][n]);
      for (int64_t i = d; i < width; ++i) sum += a[m * a_stride + i] * Type::get(b[n * b_stride + i]);
      out[m * m_pitch + n * n_pitch] = sum;
    }
  }
}

template <class Type>
static inline void dot_rows(const float* a, int64_t rows, int64_t a_stride, const typename Type::Element* b,
                            int64_t b_stride, int64_t columns, int64_t width, float* out, int64_t m_pitch,
                            int64_t n_pitch) {
  for_rows_by_four(rows, [&](auto m, int64_t first) {
    constexpr int wide = m.value > 2 ? 2 : 4;  // as many accumulators as registers allow
    const float* left = a + first * a_stride;
    float* to = out + first * m_pitch;
    int64_t n = 0;
    for (; n + wide <= columns; n += wide) {
      dot_tile<Type, m.value, wide>(left, a_stride, b + n * b_stride, b_stride, width, to + n * n_pitch,
                                    m_pitch, n_pitch);
    }
    for (; n < columns; ++n) {
      dot_tile<Type, m.value, 1>(left, a_stride, b + n * b_stride, b_stride, width, to + n * n_pitch, m_pitch,
                                 n_pitch);
    }
  });
}

}  // namespace heed::cpu::HEED_ISA
