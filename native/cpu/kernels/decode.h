// Attention of few query rows over many keys. Each K and V row is read once, from where it lies, for all
// rows; a long cache is cut into chunks that different threads take, and the chunks' softmax states are
// combined at the end.
#pragma once

#include "cpu/kernels/dot.h"
#include "cpu/kernels/score_row.h"
#include "cpu/kernels/score_stages.h"
#include "cpu/kernels/scratch_cursor.h"

namespace heed::cpu::HEED_ISA {

struct DecodeScratch {
  float *queries, *scores, *values;  // [rows, width], scaled; [rows, decode_tile]; [decode_tile, value_width]

  static DecodeScratch carve(const AttentionParameters& p, int64_t rows, ScratchCursor& cursor) {
    DecodeScratch s;
    s.queries = cursor.take<float>(rows * p.width);
    s.scores = cursor.take<float>(rows * decode_tile);
    s.values = cursor.take<float>(decode_tile * p.value_width);
    return s;
  }
};

static size_t decode_scratch(const AttentionParameters& p, int64_t rows) {
  ScratchCursor cursor{nullptr};
  DecodeScratch::carve(p, rows, cursor);
  return cursor.used();
}

// output[row] += Σ_key weight[row][key] · V[key]; several rows and vectors of columns at a time.
template <class Type, int rows, int vectors>
static inline void add_values(const typename Type::Element* values, int64_t stride, const float* weights,
                              int64_t keys, float* output, int64_t pitch,
                              Upcoming<typename Type::Element> next) {
  Vec acc[rows][vectors] = {};
  for (int64_t key = 0; key < keys; ++key) {
    Vec value[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      next.prefetch(key, v * lanes);
      value[v] = Type::load(values + key * stride + v * lanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Vec weight = splat(weights[r * decode_tile + key]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) acc[r][v] += weight * value[v];
    }
  }
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < vectors; ++v) {
      float* out = output + r * pitch + v * lanes;
      store(out, load(out) + acc[r][v]);
    }
  }
}

template <class Type, int rows>
static inline void add_values_to_rows(const typename Type::Element* values, int64_t stride,
                                      const float* weights, int64_t keys, int64_t width, float* output,
                                      Upcoming<typename Type::Element> next) {
  constexpr int wide = lanes == 16 ? 4 : 2;
  int64_t d = 0;
  for (; d + wide * lanes <= width; d += wide * lanes)
    add_values<Type, rows, wide>(values + d, stride, weights, keys, output + d, width,
                                 {next.rows + d, next.stride});
  for (; d + lanes <= width; d += lanes)
    add_values<Type, rows, 1>(values + d, stride, weights, keys, output + d, width,
                              {next.rows + d, next.stride});
  for_parts_of_vector(width, d, [&](auto part) {
    Vec acc[rows] = {};
    for (int64_t key = 0; key < keys; ++key) {
      const Vec value = Type::template load_first<part.value>(values + key * stride + d);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) acc[r] += weights[r * decode_tile + key] * value;
    }
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < part.value; ++i) output[r * width + d + i] += acc[r][i];
    }
  });
  for (; d < width; ++d) {
    for (int r = 0; r < rows; ++r) {
      float sum = 0;
      for (int64_t key = 0; key < keys; ++key)
        sum += weights[r * decode_tile + key] * Type::get(values[key * stride + d]);
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

// What copy_finite_rows has left out, for a row that attends it.
template <class Type>
static inline void add_other_values(const ScoreRow& row, const typename Type::Element* values, int64_t stride,
                                    int64_t width, float* output) {
  for (int64_t key = row.first_key; key < row.last_key; ++key) {
    if (!attends(row, key)) continue;
    const float weight = row.scores[key - row.first_key];
    for (int64_t d = 0; d < width; ++d) {
      const float value = Type::get(values[(key - row.first_key) * stride + d]);
      if (value * 0.0f != 0.0f) output[d] += weight * value;
    }
  }
}

// Keys [keys.first, keys.last) for all rows of a block.
template <class Type>
static inline void decode_keys(const RowBlock& block, const Row* rows, KeyRange keys, const DecodeScratch& s,
                               const Partial& partial) {
  const AttentionParameters& p = *block.parameters;
  const int64_t step = block.sequence.key_start + keys.first, count = keys.last - keys.first;
  const auto* key_rows = static_cast<const typename Type::Element*>(p.key.data) +
                         offset_of(p.key, block.batch, block.key_head, step);
  const auto* value_rows = static_cast<const typename Type::Element*>(p.value.data) +
                           offset_of(p.value, block.batch, block.key_head, step);
  const int64_t key_stride = p.key.step_stride, value_stride = p.value.step_stride;

  dot_rows<Type>(s.queries, block.rows, p.width, key_rows, key_stride, count, p.width, s.scores, decode_tile,
                 Upcoming<typename Type::Element>{value_rows, value_stride});
  bool careful = false;
  for (int64_t r = 0; r < block.rows; ++r) {
    const ScoreRow row{s.scores + r * decode_tile, keys.first, keys.last, rows + r, &p};
    if (p.softcap > 0) cap_row(row, 1, p.softcap * log2_e);
    bias_row(row, log2_e);
    exclude_from_row(row);
    const float decay = soften_row(row, partial.maximum[r], partial.sum[r]);
    for (int64_t d = 0; d < p.value_width; ++d) partial.output[r * p.value_width + d] *= decay;
    careful |= p.mask.data || keys.first < row.row->keys.first || keys.last > row.row->keys.last;
  }
  // 0 · ∞ must not happen where a row does not attend ∞; nor may that change the order of its sums. So all
  // rows sum up what is finite, and those that attend the rest take it in afterwards.
  careful = careful && !all_finite_rows<Type>(value_rows, value_stride, count, p.value_width);
  const typename Type::Element* summed_rows = value_rows;
  int64_t summed_stride = value_stride;
  if (careful) {
    auto* finite = reinterpret_cast<typename Type::Element*>(s.values);
    copy_finite_rows<Type>(value_rows, value_stride, count, p.value_width, finite);
    summed_rows = finite;
    summed_stride = p.value_width;
  }
  for_dot_rows(block.rows, [&](auto tile, int64_t r) {
    add_values_to_rows<Type, tile.value>(summed_rows, summed_stride, s.scores + r * decode_tile, count,
                                         p.value_width, partial.output + r * p.value_width,
                                         {key_rows + decode_tile * key_stride, key_stride});
  });
  for (int64_t r = 0; careful && r < block.rows; ++r) {
    const ScoreRow row{s.scores + r * decode_tile, keys.first, keys.last, rows + r, &p};
    add_other_values<Type>(row, value_rows, value_stride, p.value_width, partial.output + r * p.value_width);
  }
}

// Rows of `block` over keys [first_key, last_key), into a partial softmax state.
static void decode_chunk(const RowBlock& block, int64_t first_key, int64_t last_key, const Partial& partial,
                         void* scratch, const Stop& stop) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  const DecodeScratch s = DecodeScratch::carve(p, block.rows, cursor);
  Row rows[decode_rows];
  KeyRange keys{INT64_MAX, 0};
  for (int64_t r = 0; r < block.rows; ++r) {
    rows[r] = describe_row(block, r);
    include(keys, rows[r].keys);
    partial.maximum[r] = -infinity;
    partial.sum[r] = 0;
  }
  for (int64_t i = 0; i < block.rows * p.value_width; ++i) partial.output[i] = 0;

  with_type(p.query.type, [&](auto type) {
    using Type = decltype(type);
    for (int64_t r = 0; r < block.rows; ++r) {
      const auto* row = static_cast<const typename Type::Element*>(p.query.data) +
                        offset_of(p.query, block.batch, rows[r].origin.head,
                                  block.sequence.query_start + rows[r].origin.query);
      float* query = s.queries + r * p.width;
      widen<Type>(row, p.width, query);
      for (int64_t d = 0; d < p.width; ++d) query[d] *= query_factor(p);
    }
    const int64_t begin = first_key > keys.first ? first_key : keys.first;
    const int64_t end = last_key < keys.last ? last_key : keys.last;
    for (int64_t first = begin; first < end && !stop(); first += decode_tile) {
      const int64_t last = first + decode_tile < end ? first + decode_tile : end;
      decode_keys<Type>(block, rows, {first, last}, s, partial);
    }
  });
}

// Joins the chunks of one block and writes its output rows.
static void decode_combine(const RowBlock& block, const Partial* partials, int64_t count, void* scratch) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  float* joined = cursor.take<float>(p.value_width);
  for (int64_t r = 0; r < block.rows; ++r) {
    const RowOrigin origin = origin_of_row(block, r);
    const int64_t step = block.sequence.query_start + origin.query;
    float highest = -infinity;
    bool empty = true;  // not by the maximum, which scores that are all NaN leave at −∞
    for (int64_t c = 0; c < count; ++c) {
      if (partials[c].maximum[r] > highest) highest = partials[c].maximum[r];
      if (partials[c].sum[r] != 0) empty = false;
    }
    float reference = highest, sum = 0;
    if (p.sinks && !empty) {
      const float sink = p.sinks[origin.head] * log2_e;
      if (sink > reference) reference = sink;
      sum = __builtin_exp2f(sink - reference);
    }
    for (int64_t d = 0; d < p.value_width; ++d) joined[d] = 0;
    for (int64_t c = 0; c < count && !empty; ++c) {
      const float share = __builtin_exp2f(partials[c].maximum[r] - reference);
      // A chunk without a key for this row has nothing to add, not even 0 · NaN.
      if (partials[c].sum[r] == 0) continue;
      sum += partials[c].sum[r] * share;
      const float* output = partials[c].output + r * p.value_width;
      for (int64_t d = 0; d < p.value_width; ++d) joined[d] += output[d] * share;
    }
    with_type(p.output.type, [&](auto type) {
      using Type = decltype(type);
      auto* out = static_cast<typename Type::Element*>(p.output.data) +
                  offset_of(p.output, block.batch, origin.head, step);
      narrow<Type>(joined, p.value_width, empty ? 0.0f : 1 / sum, out);
    });
    if (p.log_sum_exp.data) {
      static_cast<float*>(p.log_sum_exp.data)[offset_of(p.log_sum_exp, block.batch, origin.head, step)] =
          empty ? -infinity : (reference + __builtin_log2f(sum)) * ln_2;
    }
  }
}

}  // namespace heed::cpu::HEED_ISA
