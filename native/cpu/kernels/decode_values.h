// The values of the decode kernel: weighted sums for a few rows at once, with each value read in place.
#pragma once

#include "cpu/kernels/dot.h"
#include "cpu/kernels/rows_of_block.h"
#include "cpu/kernels/score_row.h"
#include "cpu/kernels/stored_rows.h"

namespace heed::cpu::HEED_ISA {

// Consecutive values of a tile that lie together, a stride apart.
template <class Element>
struct ValueRun {
  const Element* rows;
  int64_t stride;
  int64_t first, count;    // among the keys of the tile
  Upcoming<Element> next;  // what is read after the tile
};
template <class Element>
struct ValueRuns {
  ValueRun<Element> runs[decode_tile];
  int64_t count = 0;
};

// output[row] += Σ_key weight[row][key] · V[key] over all keys of a tile, for several rows and vectors of
// columns at a time. Sums go on from run to run, so that they do not depend on where pages end.
template <class Type, int rows, int vectors>
static inline void add_values(ValueRuns<typename Type::Element>& values, int64_t column, const float* weights,
                              float* output, int64_t pitch) {
  Vec acc[rows][vectors] = {};
  for (int64_t i = 0; i < values.count; ++i) {
    auto& run = values.runs[i];
    const typename Type::Element* value_row = run.rows + column;
    const float* weights_of_key = weights + run.first;
    const int64_t stride = run.stride;
    auto next = run.next;  // in registers
    for (int64_t key = 0; key < run.count; ++key, value_row += stride, ++weights_of_key) {
      next.template request<vectors * lanes>(key);
      Vec value[vectors];
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) value[v] = Type::load(value_row + v * lanes);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
        const Vec weight = splat(weights_of_key[r * decode_tile]);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) acc[r][v] = multiply_add(weight, value[v], acc[r][v]);
      }
    }
    run.next = next;
  }
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < vectors; ++v) {
      float* out = output + r * pitch + column + v * lanes;
      store(out, load(out) + acc[r][v]);
    }
  }
}

// Calls f(row of values, key among those of the tile) for every key of a tile.
template <class Element, class F>
static inline __attribute__((always_inline)) void for_values(const ValueRuns<Element>& values, F f) {
  for (int64_t i = 0; i < values.count; ++i) {
    const ValueRun<Element>& run = values.runs[i];
    for (int64_t key = 0; key < run.count; ++key) f(run.rows + key * run.stride, run.first + key);
  }
}

// The vectors of columns that `rows` rows take at a time: enough sums to hide the latency of a multiply-add,
// and few enough for the registers of the instruction set.
template <int rows>
constexpr int value_vectors = lanes == 16 ? (rows < 4 ? 8 : 4) : 8 / rows;

// Adds whole vectors from column d on, `vectors` of them at a time, then half as many, down to one.
template <class Type, int rows, int vectors>
static inline void add_whole_vectors(ValueRuns<typename Type::Element>& values, const float* weights,
                                     int64_t width, float* output, int64_t& d) {
  for (; d + vectors * lanes <= width; d += vectors * lanes)
    add_values<Type, rows, vectors>(values, d, weights, output, width);
  if constexpr (vectors > 1) add_whole_vectors<Type, rows, vectors / 2>(values, weights, width, output, d);
}

template <class Type, int rows>
static inline void add_values_to_rows(ValueRuns<typename Type::Element>& values, const float* weights,
                                      int64_t width, float* output) {
  using Element = typename Type::Element;
  int64_t d = 0;
  add_whole_vectors<Type, rows, value_vectors<rows>>(values, weights, width, output, d);
  for_parts_of_vector(width, d, [&](auto part) {
    Vec acc[rows] = {};
    for_values(values, [&](const Element* row, int64_t key) {
      const Vec value = Type::template load_first<part.value>(row + d);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r)
        acc[r] = multiply_add(splat(weights[r * decode_tile + key]), value, acc[r]);
    });
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < part.value; ++i) output[r * width + d + i] += acc[r][i];
    }
  });
  for (; d < width; ++d) {
    for (int r = 0; r < rows; ++r) {
      float sum = 0;
      for_values(values, [&](const Element* row, int64_t key) {
        sum = multiply_add(weights[r * decode_tile + key], Type::get(row[d]), sum);
      });
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
static inline void add_other_values(const ScoreRow& row, const ValueRuns<typename Type::Element>& values,
                                    int64_t width, float* output) {
  for_values(values, [&](const typename Type::Element* value_row, int64_t key) {
    if (!attends(row, row.first_key + key)) return;
    const float weight = row.scores[key];
    for (int64_t d = 0; d < width; ++d) {
      const float value = Type::get(value_row[d]);
      if (value * 0.0f != 0.0f) output[d] = multiply_add(weight, value, output[d]);
    }
  });
}

// Multiplies the weights of a run by the scales of their values, so that the values themselves are summed
// unscaled. A non-finite scale must not affect a row that does not attend its key.
static inline void dequantise_by_weights(const ScoreRow& row, const Run& run, int64_t first, bool careful) {
  float* weights = row.scores + first;
  if (!careful) return multiply_each(weights, run.scales, run.count, weights);
  for (int64_t i = 0; i < run.count; ++i) {
    const bool poisons = run.scales[i] * 0.0f != 0.0f && !attends(row, row.first_key + first + i);
    weights[i] = poisons ? 0 : weights[i] * run.scales[i];
  }
}

// Adds the values of a tile, times their weights, to the outputs of all rows. `row_of(r)` gives the weights
// of row r; `careful` says that some row may not attend some of the keys. 0 · ∞ must not occur in a row that
// does not attend ∞, and the ∞ must not change the order of that row's sums. So all rows first sum the finite
// values, and rows that attend the others add them afterwards. `copies` has room for the values of the tile.
template <class Type, class RowOf>
static inline void add_values_of_tile(const RowBlock& block, ValueRuns<typename Type::Element>& values,
                                      RowOf row_of, bool careful, float* copies, const Partial& partial) {
  const int64_t width = block.parameters->value_width;
  const auto add = [&](ValueRuns<typename Type::Element>& added) {
    for_dot_rows(block.rows, [&](auto tile, int64_t r) {
      add_values_to_rows<Type, tile.value>(added, row_of(r).scores, width, partial.output + r * width);
    });
  };
  bool finite = true;
  for (int64_t i = 0; careful && i < values.count; ++i) {
    const auto& run = values.runs[i];
    finite = finite && all_finite_rows<Type>(run.rows, run.stride, run.count, width);
  }
  if (finite) return add(values);
  ValueRuns<typename Type::Element> copied = values;
  for (int64_t i = 0; i < values.count; ++i) {
    auto& run = copied.runs[i];
    auto* copy = reinterpret_cast<typename Type::Element*>(copies) + run.first * width;
    copy_finite_rows<Type>(run.rows, run.stride, run.count, width, copy);
    run.rows = copy;
    run.stride = width;
  }
  add(copied);
  for (int64_t r = 0; r < block.rows; ++r)
    add_other_values<Type>(row_of(r), values, width, partial.output + r * width);
}

}  // namespace heed::cpu::HEED_ISA
