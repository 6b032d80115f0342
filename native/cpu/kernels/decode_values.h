// The values of the decode kernel: weighted sums for a few rows at once, with each value read in place.
#pragma once

#include "cpu/kernels/dot.h"
#include "cpu/kernels/rows_of_block.h"
#include "cpu/kernels/score_row.h"
#include "cpu/kernels/stored_rows.h"

namespace heed::cpu::HEED_ISA {

// output[row] += Σ_key weight[row][key] · V[key], for several rows and vectors of columns at a time.
template <class Type, int rows, int vectors>
static inline void add_values(const typename Type::Element* values, int64_t stride, const float* weights,
                              int64_t keys, float* output, int64_t pitch,
                              Upcoming<typename Type::Element> next) {
  Vec acc[rows][vectors] = {};
  for (int64_t key = 0; key < keys; ++key) {
    Vec value[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      next.prefetch(key, v * lanes);
      value[v] = Type::load(values + key * stride + v * lanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Vec weight = splat(weights[r * decode_tile + key]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) acc[r][v] = multiply_add(weight, value[v], acc[r][v]);
    }
  }
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < vectors; ++v) {
      float* out = output + r * pitch + v * lanes;
      store(out, load(out) + acc[r][v]);
    }
  }
}

// The vectors of columns that `rows` rows take at a time: enough sums to hide the latency of a multiply-add,
// and few enough for the registers of the instruction set.
template <int rows>
constexpr int value_vectors = lanes == 16 ? (rows < 4 ? 8 : 4) : 8 / rows;

// Adds whole vectors from column d on, `vectors` of them at a time, then half as many, down to one.
template <class Type, int rows, int vectors>
static inline void add_whole_vectors(const typename Type::Element* values, int64_t stride,
                                     const float* weights, int64_t keys, int64_t width, float* output,
                                     Upcoming<typename Type::Element> next, int64_t& d) {
  for (; d + vectors * lanes <= width; d += vectors * lanes)
    add_values<Type, rows, vectors>(values + d, stride, weights, keys, output + d, width,
                                    {next.rows + d, next.stride});
  if constexpr (vectors > 1)
    add_whole_vectors<Type, rows, vectors / 2>(values, stride, weights, keys, width, output, next, d);
}

template <class Type, int rows>
static inline void add_values_to_rows(const typename Type::Element* values, int64_t stride,
                                      const float* weights, int64_t keys, int64_t width, float* output,
                                      Upcoming<typename Type::Element> next) {
  int64_t d = 0;
  add_whole_vectors<Type, rows, value_vectors<rows>>(values, stride, weights, keys, width, output, next, d);
  for_parts_of_vector(width, d, [&](auto part) {
    Vec acc[rows] = {};
    for (int64_t key = 0; key < keys; ++key) {
      const Vec value = Type::template load_first<part.value>(values + key * stride + d);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
        acc[r] = multiply_add(splat(weights[r * decode_tile + key]), value, acc[r]);
      }
    }
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < part.value; ++i) output[r * width + d + i] += acc[r][i];
    }
  });
  for (; d < width; ++d) {
    for (int r = 0; r < rows; ++r) {
      float sum = 0;
      for (int64_t key = 0; key < keys; ++key)
        sum = multiply_add(weights[r * decode_tile + key], Type::get(values[key * stride + d]), sum);
      output[r * width + d] += sum;
    }
  }
}

template <class Type>
static inline bool all_finite_rows(const typename Type::Element* rows, int64_t stride, int64_t count,
                                   int64_t width) {
  Vec poison{};
  float rest = 0;
  for (int64_t i = 0; i < count; ++i) {
    int64_t d = 0;
    for (; d + lanes <= width; d += lanes) poison += Type::load(rows + i * stride + d) * 0.0f;
    for (; d < width; ++d) rest += Type::get(rows[i * stride + d]) * 0.0f;
  }
  return horizontal_sum(poison) + rest == 0.0f;
}

template <class Type>
static inline void copy_finite_rows(const typename Type::Element* rows, int64_t stride, int64_t count,
                                    int64_t width, typename Type::Element* copy) {
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t d = 0; d < width; ++d) {
      const typename Type::Element element = rows[i * stride + d];
      copy[i * width + d] = Type::get(element) * 0.0f == 0.0f ? element : 0;
    }
  }
}

// Adds the values that copy_finite_rows left out, for a row that attends them.
template <class Type>
static inline void add_other_values(const ScoreRow& row, const typename Type::Element* values, int64_t stride,
                                    int64_t width, float* output) {
  for (int64_t key = row.first_key; key < row.last_key; ++key) {
    if (!attends(row, key)) continue;
    const float weight = row.scores[key - row.first_key];
    for (int64_t d = 0; d < width; ++d) {
      const float value = Type::get(values[(key - row.first_key) * stride + d]);
      if (value * 0.0f != 0.0f) output[d] = multiply_add(weight, value, output[d]);
    }
  }
}

// Multiplies the weights by the scales of int8 values, so that the values themselves are summed unscaled. A
// non-finite scale must not affect a row that does not attend its key.
static inline void dequantise_by_weights(const ScoreRow& row, const float* scales, bool careful) {
  const int64_t count = row.last_key - row.first_key;
  for (int64_t i = 0; i < count; ++i) {
    const bool poisons = careful && scales[i] * 0.0f != 0.0f && !attends(row, row.first_key + i);
    row.scores[i] = poisons ? 0 : row.scores[i] * scales[i];
  }
}

// Adds the values of a run, times their weights, to the outputs of all rows. `row_of(r)` gives the weights of
// row r over the run's keys; `careful` says that some row may not attend some of them. 0 · ∞ must not occur
// in a row that does not attend ∞, and the ∞ must not change the order of that row's sums. So all rows first
// sum the finite values, and rows that attend the others add them afterwards. `copies` has room for the run's
// values.
template <class Type, class RowOf>
static inline void add_values_of_run(const RowBlock& block, const Run& run, RowOf row_of, bool careful,
                                     float* copies, const Partial& partial,
                                     Upcoming<typename Type::Element> next) {
  const AttentionParameters& p = *block.parameters;
  const typename Type::Element* values = run.as<Type>();
  int64_t stride = p.value.step_stride;
  for (int64_t r = 0; run.scales && r < block.rows; ++r)
    dequantise_by_weights(row_of(r), run.scales, careful);
  careful = careful && !all_finite_rows<Type>(values, stride, run.count, p.value_width);
  if (careful) {
    auto* finite = reinterpret_cast<typename Type::Element*>(copies);
    copy_finite_rows<Type>(values, stride, run.count, p.value_width, finite);
    values = finite;
    stride = p.value_width;
  }
  for_dot_rows(block.rows, [&](auto tile, int64_t r) {
    add_values_to_rows<Type, tile.value>(values, stride, row_of(r).scores, run.count, p.value_width,
                                         partial.output + r * p.value_width, next);
  });
  for (int64_t r = 0; careful && r < block.rows; ++r) {
    add_other_values<Type>(row_of(r), run.as<Type>(), p.value.step_stride, p.value_width,
                           partial.output + r * p.value_width);
  }
}

}  // namespace heed::cpu::HEED_ISA
