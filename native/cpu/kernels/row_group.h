// A group: the query rows that fill one register tile, one row per lane, with their online softmax state.
#pragma once

#include "cpu/kernels/draws.h"
#include "cpu/kernels/math.h"
#include "cpu/kernels/multiply.h"
#include "cpu/kernels/rows_of_block.h"
#include "cpu/kernels/sink.h"

namespace heed::cpu::HEED_ISA {

constexpr int group_rows = tile_vectors * lanes;

struct RowGroup {
  int64_t rows;     // real rows; the other lanes compute on zeros and are never written
  int64_t vectors;  // that hold real rows

  float* query;                           // [width, group_rows], scaled; or pairs, see pair_tile.h
  float* output;                          // [value_width, group_rows], unnormalised
  alignas(64) float maximum[group_rows];  // log2 units
  alignas(64) float sum[group_rows];

  KeyRange keys;                          // that some row attends
  KeyRange shared_keys;                   // that every row attends
  KeyRange vector_keys[tile_vectors];     // that some row of each vector attends
  alignas(64) int64_t first[group_rows];  // keys of each row; empty in the other lanes
  alignas(64) int64_t last[group_rows];

  int64_t position[group_rows];
  alignas(64) float slope[group_rows];  // for ALiBi
  const void* mask_row[group_rows];

  // For additive scores, whose query is W q: e^2Wq and v, [hidden, group_rows] each.
  float *exponential, *vector;
  alignas(64) float vector_sum[group_rows];
  bool safe;  // to multiply e^2Wq by the exponentials of keys

  double center[group_rows];                      // for local selection
  alignas(64) float best[group_rows];             // for hard selection: the score of the choice, log2 units
  int64_t choice[group_rows];                     // and its key, −1 for none
  alignas(64) uint32_t stream_first[group_rows];  // the random streams of the rows
  alignas(64) uint32_t stream_second[group_rows];
};

// Copies rows into columns of `group.query`, times `factor`.
template <class Type>
static inline void transpose_queries(const typename Type::Element* const* row, int64_t width, float factor,
                                     RowGroup& group) {
  for (int64_t base = 0; base < group.vectors * lanes; base += lanes) {
    const int64_t rows = group.rows - base < lanes ? group.rows - base : lanes;
    int64_t d = 0;
    for (; d + lanes <= width; d += lanes) {
      Vec tile[lanes];
      if (rows == lanes) {
#pragma GCC unroll 16
        for (int r = 0; r < lanes; ++r) tile[r] = Type::load(row[base + r] + d) * factor;
      } else {
        for (int r = 0; r < lanes; ++r) tile[r] = r < rows ? Type::load(row[base + r] + d) * factor : Vec{};
      }
      transpose(tile);
      for (int i = 0; i < lanes; ++i) store(group.query + (d + i) * group_rows + base, tile[i]);
    }
    for (; d < width; ++d) {
      Vec column{};
      for (int r = 0; r < rows; ++r) column[r] = Type::get(row[base + r][d]) * factor;
      store(group.query + d * group_rows + base, column);
    }
  }
}

// Loads query rows [first_row, first_row + group.rows) of a block from the tensor.
static inline void load_queries(const RowBlock& block, int64_t first_row, float factor, RowGroup& group) {
  const AttentionParameters& p = *block.parameters;
  with_type(p.query.type, [&](auto type) {
    using Type = decltype(type);
    const typename Type::Element* row[group_rows];
    for (int64_t r = 0; r < group.rows; ++r) {
      const RowOrigin origin = origin_of_row(block, first_row + r);
      row[r] = static_cast<const typename Type::Element*>(p.query.data) +
               offset_of(p.query, block.batch, origin.head, block.sequence.query_start + origin.query);
    }
    transpose_queries<Type>(row, p.key_width, factor, group);
  });
}

// Loads the same rows from [rows, stride] floats.
static inline void load_prepared_queries(const float* rows, int64_t stride, int64_t first_row, int64_t width,
                                         RowGroup& group) {
  const float* row[group_rows];
  for (int64_t r = 0; r < group.rows; ++r) row[r] = rows + (first_row + r) * stride;
  transpose_queries<Float32>(row, width, 1, group);
}

// Fills in everything except the queries for rows [first_row, first_row + group.rows) of the block.
static inline void describe_rows(const RowBlock& block, int64_t first_row, RowGroup& group) {
  group.vectors = (group.rows + lanes - 1) / lanes;
  group.keys = {INT64_MAX, 0};
  group.shared_keys = {0, INT64_MAX};
  for (KeyRange& keys : group.vector_keys) keys = {INT64_MAX, 0};
  for (int64_t r = 0; r < group_rows; ++r) {
    group.maximum[r] = -infinity;
    group.sum[r] = 0;
    group.first[r] = group.last[r] = 0;
    group.position[r] = 0;
    group.slope[r] = 0;
    group.mask_row[r] = nullptr;
    group.center[r] = 0;
    group.best[r] = -infinity;
    group.choice[r] = -1;
    group.stream_first[r] = group.stream_second[r] = 0;
    if (r >= group.rows) continue;
    const Row row = describe_row(block, first_row + r);
    group.position[r] = row.origin.position;
    group.first[r] = row.keys.first;
    group.last[r] = row.keys.last;
    group.slope[r] = row.slope;
    group.mask_row[r] = row.mask;
    group.center[r] = row.center;
    if (block.parameters->scoring.selection.kind == SelectionKind::drawn) {
      const Stream stream = stream_of(*block.parameters, block.batch, row.origin);
      group.stream_first[r] = stream.first;
      group.stream_second[r] = stream.second;
    }
    include(group.keys, row.keys);
    include(group.vector_keys[r / lanes], row.keys);
    if (row.keys.first > group.shared_keys.first) group.shared_keys.first = row.keys.first;
    if (row.keys.last < group.shared_keys.last) group.shared_keys.last = row.keys.last;
  }
  if (group.keys.last == 0) group.keys.first = 0;
}

// Finishes the softmax: computes the factor for each row's output (0 for a row that attended nothing). Takes
// the sink into account and writes log-sum-exps.
static inline void finish_rows(const RowBlock& block, int64_t first_row, const RowGroup& group,
                               float* factor) {
  const AttentionParameters& p = *block.parameters;
  for (int64_t r = 0; r < group.rows; ++r) {
    const RowOrigin origin = origin_of_row(block, first_row + r);
    // Does not test the maximum: it stays −∞ if all scores are NaN, and such a row must not count as empty.
    const bool empty = group.sum[r] == 0;
    float maximum = group.maximum[r], sum = group.sum[r], share = 1;
    const float sink = sink_of(p, origin.head);
    if (p.scoring.sinks && !empty) {
      const float scaled = in_log2_units(sink);
      const float joint = scaled > maximum ? scaled : maximum;
      share = __builtin_exp2f(maximum - joint);
      sum = multiply_add(sum, share, __builtin_exp2f(scaled - joint));
      maximum = joint;
    }
    factor[r] = empty ? 0.0f : share / sum;
    if (p.log_sum_exp.data) {
      const int64_t step = block.sequence.query_start + origin.query;
      static_cast<float*>(p.log_sum_exp.data)[offset_of(p.log_sum_exp, block.batch, origin.head, step)] =
          log_sum_exp_of(maximum, sum, sink);
    }
  }
}

// Writes output rows, each times its factor; one that attended nothing is zeros, even if a masked value has
// left NaN.
template <class Type>
static inline void write_outputs(const RowBlock& block, int64_t first_row, const RowGroup& group,
                                 const float* factor) {
  const AttentionParameters& p = *block.parameters;
  typename Type::Element* row[group_rows];
  for (int64_t r = 0; r < group.rows; ++r) {
    const RowOrigin origin = origin_of_row(block, first_row + r);
    row[r] = static_cast<typename Type::Element*>(p.output.data) +
             offset_of(p.output, block.batch, origin.head, block.sequence.query_start + origin.query);
  }
  for (int64_t base = 0; base < group.rows; base += lanes) {
    const int64_t rows = group.rows - base < lanes ? group.rows - base : lanes;
    const Vec scale = load(factor + base);
    const IntVec empty = load(group.sum + base) == Vec{};
    int64_t d = 0;
    for (; d + lanes <= p.value_width; d += lanes) {
      Vec tile[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        tile[i] = load(group.output + (d + i) * group_rows + base) * scale;
        tile[i] = empty ? Vec{} : tile[i];
      }
      transpose(tile);
      if (rows == lanes) {
#pragma GCC unroll 16
        for (int r = 0; r < lanes; ++r) Type::store(row[base + r] + d, tile[r]);
      } else {
        for (int r = 0; r < rows; ++r) Type::store(row[base + r] + d, tile[r]);
      }
    }
    for (; d < p.value_width; ++d) {
      const float* column = group.output + d * group_rows + base;
      for (int r = 0; r < rows; ++r) row[base + r][d] = Type::put(empty[r] ? 0.0f : column[r] * scale[r]);
    }
  }
}

}  // namespace heed::cpu::HEED_ISA
