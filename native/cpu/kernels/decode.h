// Attention of few query rows over many keys. Each K and V row is read once, from where it lies, for all
// rows; a long cache is cut into chunks that different threads take, and the chunks' softmax states are
// combined at the end.
#pragma once

#include "cpu/kernels/choice.h"
#include "cpu/kernels/dot.h"
#include "cpu/kernels/local_weights.h"
#include "cpu/kernels/query_rows.h"
#include "cpu/kernels/scale_scores.h"
#include "cpu/kernels/score_row.h"
#include "cpu/kernels/score_stages.h"

namespace heed::cpu::HEED_ISA {

struct DecodeScratch {
  float *queries, *scores, *values;  // [rows, padded width]; [rows, decode_tile]; [decode_tile, value_width]
  QueryScratch query;

  static DecodeScratch carve(const AttentionParameters& p, int64_t rows, ScratchCursor& cursor) {
    DecodeScratch s;
    s.queries = cursor.take<float>(rows * padded(p.width));
    s.scores = cursor.take<float>(rows * decode_tile);
    s.values = cursor.take<float>(decode_tile * p.value_width);
    s.query = QueryScratch::carve(p, rows, cursor);
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

static inline void choose_in_chunk(const ScoreRow& row, const RowBlock& block, const Partial& partial,
                                   int64_t r) {
  Choice choice{partial.best[r], partial.choice[r]};
  choose(row, stream_of(*block.parameters, block.batch, row.row->origin), choice);
  partial.best[r] = choice.score;
  partial.choice[r] = choice.key;
}

// The scores of a tile of keys, run by run.
template <class Type>
static inline void score_keys(const RowBlock& block, KeyRange keys, const DecodeScratch& s) {
  const AttentionParameters& p = *block.parameters;
  const int64_t key_step = first_key_step(block) + keys.first,
                value_step = block.sequence.key_start + keys.first;
  for_runs(p.key, block, key_step, keys.last - keys.first, [&](const Run& run, int64_t first) {
    const Upcoming<typename Type::Element> values{
        run_at(p.value, block, value_step + first, 1).template as<Type>(), p.value.step_stride};
    dot_rows<Type>(s.queries, block.rows, padded(p.width), run.as<Type>(), p.key.step_stride, run.count,
                   p.width, s.scores + first, decode_tile, values);
    scale_scores<Type>(p, run, block.rows, s.scores + first, decode_tile);
  });
}

// The part of a row's scores that belongs to a run.
static inline ScoreRow part_of(const ScoreRow& row, const Run& run, int64_t first) {
  return {row.scores + first, row.first_key + first, row.first_key + first + run.count, row.row,
          row.parameters};
}

// Weights of int8 values take in their scales, so that values are summed as they are. One that is not finite
// must not touch a row that does not attend it.
static inline void scale_weights(const ScoreRow& row, const float* scales, bool careful) {
  const int64_t count = row.last_key - row.first_key;
  for (int64_t i = 0; i < count; ++i) {
    const bool poisons = careful && scales[i] * 0.0f != 0.0f && !attends(row, row.first_key + i);
    row.scores[i] = poisons ? 0 : row.scores[i] * scales[i];
  }
}

// Takes in the values of a run. `row_of(r)` gives the weights of row r over the run's keys; `careful` says
// that some row may not attend some of them. 0 · ∞ must not happen where a row does not attend ∞; nor may
// that change the order of its sums. So all rows sum up what is finite, and those that attend the rest take
// it in afterwards.
template <class Type, class RowOf>
static inline void take_values(const RowBlock& block, const Run& run, RowOf row_of, bool careful,
                               const DecodeScratch& s, const Partial& partial,
                               Upcoming<typename Type::Element> next) {
  const AttentionParameters& p = *block.parameters;
  const typename Type::Element* values = run.as<Type>();
  int64_t stride = p.value.step_stride;
  for (int64_t r = 0; run.scales && r < block.rows; ++r) scale_weights(row_of(r), run.scales, careful);
  careful = careful && !all_finite_rows<Type>(values, stride, run.count, p.value_width);
  if (careful) {
    auto* finite = reinterpret_cast<typename Type::Element*>(s.values);
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

// Keys [keys.first, keys.last) for all rows of a block.
template <class Type>
static inline void decode_keys(const RowBlock& block, const Row* rows, KeyRange keys, const DecodeScratch& s,
                               const Partial& partial) {
  const AttentionParameters& p = *block.parameters;
  const auto row_of = [&](int64_t r) {
    return ScoreRow{s.scores + r * decode_tile, keys.first, keys.last, rows + r, &p};
  };
  score_keys<Type>(block, keys, s);
  bool careful = false;
  const Selection& selection = p.selection;
  for (int64_t r = 0; r < block.rows; ++r) {
    const ScoreRow row = row_of(r);
    if (p.softcap > 0) cap_row(row, 1, p.softcap * log2_e);
    bias_row(row, log2_e);
    exclude_from_row(row);
    if (selection.is_hard()) choose_in_chunk(row, block, partial, r);
    if (selection.is_hard() && !p.log_sum_exp.data) continue;
    const float decay = soften_row(row, partial.maximum[r], partial.sum[r]);
    if (selection.kind == SelectionKind::local) weigh(row);
    for (int64_t d = 0; d < p.value_width; ++d) partial.output[r * p.value_width + d] *= decay;
    careful |= p.mask.data || keys.first < row.row->keys.first || keys.last > row.row->keys.last;
  }
  if (selection.is_hard()) return;
  const int64_t key_step = first_key_step(block), last_step = key_step + block.sequence.key_steps - 1;
  for_runs(p.value, block, block.sequence.key_start + keys.first, keys.last - keys.first,
           [&](const Run& run, int64_t first) {
             // Behind the last page there is no other; elsewhere there may be the next head.
             const int64_t next = key_step + keys.first + first + decode_tile;
             const Run upcoming = run_at(p.key, block, p.key.pages && next > last_step ? last_step : next, 1);
             take_values<Type>(block, run, [&](int64_t r) { return part_of(row_of(r), run, first); }, careful,
                               s, partial, {upcoming.as<Type>(), p.key.step_stride});
           });
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
    partial.best[r] = no_choice.score;
    partial.choice[r] = no_choice.key;
  }
  for (int64_t i = 0; i < block.rows * p.value_width; ++i) partial.output[i] = 0;

  load_query_rows(block, block.rows, query_factor(p), s.query, s.queries, padded(p.width));
  with_stored_type(p.key.type, [&](auto type) {
    using Type = decltype(type);
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
    if (p.selection.is_hard()) {
      Choice choice = no_choice;
      for (int64_t c = 0; c < count; ++c) {
        if (is_better(partials[c].best[r], choice.score))
          choice = {partials[c].best[r], partials[c].choice[r]};
      }
      write_choice(block, origin, choice);
    }
    with_type(p.output.type, [&](auto type) {
      if (p.selection.is_hard()) return;
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
