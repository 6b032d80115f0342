// Loads learned matrices into the layout of the matrix kernel and multiplies rows by them.
#pragma once

#include "core/scoring.h"
#include "cpu/kernels/multiply.h"

namespace heed::cpu::HEED_ISA {

// `count` rounded up to whole vectors.
static inline int64_t padded(int64_t count) {
  return (count + lanes - 1) / lanes * lanes;
}

// Loads the matrix of one head, [rows, columns], as float32, and pads each row with zeros.
static inline void load_matrix(const HeadMatrix& matrix, int64_t head, int64_t rows, int64_t columns,
                               float* out) {
  with_type(matrix.type, [&](auto type) {
    using Type = decltype(type);
    const auto* from = static_cast<const typename Type::Element*>(matrix.data) + head * matrix.head_stride;
    for (int64_t row = 0; row < rows; ++row, out += padded(columns)) {
      widen<Type>(from + row * columns, columns, out);
      for (int64_t i = columns; i < padded(columns); ++i) out[i] = 0;
    }
  });
}

// Loads the matrix of one head, [rows, columns], as [columns, padded(rows)], padded with zeros.
static inline void load_transposed(const HeadMatrix& matrix, int64_t head, int64_t rows, int64_t columns,
                                   float* out) {
  with_type(matrix.type, [&](auto type) {
    using Type = decltype(type);
    const auto* from = static_cast<const typename Type::Element*>(matrix.data) + head * matrix.head_stride;
    for (int64_t column = 0; column < columns; ++column, out += padded(rows)) {
      for (int64_t row = 0; row < padded(rows); ++row)
        out[row] = row < rows ? Type::get(from[row * columns + column]) : 0;
    }
  });
}

// out[m][j] = Σ_i rows[m][i] · matrix[i][j] for j < padded(columns), with a matrix in the layout of
// load_matrix.
static inline void multiply_rows(const float* rows, int64_t stride, int64_t count, const float* matrix,
                                 int64_t inner, int64_t columns, float* out, int64_t out_stride) {
  const int64_t pitch = padded(columns);
  for_vector_groups(0, pitch / lanes, [&](auto vectors, int64_t first_vector) {
    for_row_tiles(count, [&](auto tile, int64_t first) {
      Accumulators<tile.value, vectors.value> acc;
      multiply<BroadcastRows, Float32>(rows + first * stride, stride, matrix + first_vector * lanes, pitch,
                                       inner, acc);
#pragma GCC unroll 16
      for (int m = 0; m < tile.value; ++m) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors.value; ++v)
          store(out + (first + m) * out_stride + (first_vector + v) * lanes, acc[m][v]);
      }
    });
  });
}

}  // namespace heed::cpu::HEED_ISA
