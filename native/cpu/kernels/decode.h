// Attention of few query rows over many keys. Each K and V row is read once, from where it lies, for all
// rows; a long cache is cut into chunks that different threads take, and the chunks' softmax states are
// combined at the end.
#pragma once

#include "cpu/kernels/dot.h"
#include "cpu/kernels/online_softmax.h"
#include "cpu/kernels/scratch_cursor.h"

namespace heed::cpu::HEED_ISA {

// The block's rows as float32, scaled, in place of RowGroup's transposed ones.
struct DecodeScratch {
  float *queries, *scores;
  RowGroup* group;

  static DecodeScratch carve(const AttentionParameters& p, int64_t rows, ScratchCursor& cursor) {
    DecodeScratch s;
    s.queries = cursor.take<float>(rows * p.width);
    s.scores = cursor.take<float>(decode_tile * group_rows);
    s.group = cursor.take<RowGroup>(1);
    return s;
  }
};

static size_t decode_scratch(const AttentionParameters& p, int64_t rows) {
  ScratchCursor cursor{nullptr};
  DecodeScratch::carve(p, rows, cursor);
  return cursor.used();
}

// output[row] += Σ_key weight[key][row] · V[key]; several rows and two vectors of columns at a time.
template <class Type, int rows, int vectors>
static inline void add_values(const typename Type::Element* values, int64_t stride, const float* weights,
                              int64_t keys, float* output, int64_t pitch) {
  Vec acc[rows][vectors] = {};
  for (int64_t key = 0; key < keys; ++key) {
    Vec value[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) value[v] = Type::load(values + key * stride + v * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Vec weight = splat(weights[key * group_rows + r]);
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
                                      const float* weights, int64_t keys, int64_t width, float* output) {
  int64_t d = 0;
  for (; d + 2 * lanes <= width; d += 2 * lanes)
    add_values<Type, rows, 2>(values + d, stride, weights, keys, output + d, width);
  for (; d + lanes <= width; d += lanes)
    add_values<Type, rows, 1>(values + d, stride, weights, keys, output + d, width);
  for (; d < width; ++d) {
    for (int r = 0; r < rows; ++r) {
      float sum = 0;
      for (int64_t key = 0; key < keys; ++key)
        sum += weights[key * group_rows + r] * Type::get(values[key * stride + d]);
      output[r * width + d] += sum;
    }
  }
}

// The careful form: a value that a row does not attend is never multiplied.
template <class Type>
static inline void add_attended_values(const ScoreTile& tile, const typename Type::Element* values,
                                       int64_t stride, int64_t width, float* output) {
  for (int64_t r = 0; r < tile.group->rows; ++r) {
    for (int64_t key = tile.first_key; key < tile.last_key; ++key) {
      if (!attends(tile, r, key)) continue;
      const float weight = *(tile.at(key, 0) + r);
      const typename Type::Element* value = values + (key - tile.first_key) * stride;
      for (int64_t d = 0; d < width; ++d) output[r * width + d] += weight * Type::get(value[d]);
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
static inline void decode_tile_of(const ScoreTile& tile, RowGroup& group, const DecodeScratch& s,
                                  const RowBlock& block, const Stage* stages, int64_t stage_count,
                                  float* output) {
  const AttentionParameters& p = *block.parameters;
  const int64_t step = block.sequence.key_start + tile.first_key, keys = tile.last_key - tile.first_key;
  const auto* key_rows = static_cast<const typename Type::Element*>(p.key.data) +
                         offset_of(p.key, block.batch, block.key_head, step);
  const auto* value_rows = static_cast<const typename Type::Element*>(p.value.data) +
                           offset_of(p.value, block.batch, block.key_head, step);

  MaskSummary mask = MaskSummary::all;
  if (p.mask.data) mask = p.mask.type == DType::boolean ? summarise_mask(tile) : MaskSummary::mixed;
  if (mask == MaskSummary::none) return;
  const bool boundary = tile.first_key < group.latest_first || tile.last_key > group.earliest_last;

  dot_rows<Type>(s.queries, group.rows, p.width, key_rows, p.key.step_stride, keys, p.width, s.scores, 1,
                 group_rows);
  for (int64_t i = 0; i < stage_count; ++i) stages[i](tile);
  if (mask == MaskSummary::mixed) add_mask(tile);
  if (boundary) exclude_out_of_range(tile);

  alignas(64) float decay[group_rows];
  soften(tile, group, decay);
  for (int64_t r = 0; r < group.rows; ++r) {
    for (int64_t d = 0; d < p.value_width; ++d) output[r * p.value_width + d] *= decay[r];
  }
  const bool exclusions = boundary || mask == MaskSummary::mixed;
  if (exclusions && !all_finite_rows<Type>(value_rows, p.value.step_stride, keys, p.value_width)) {
    add_attended_values<Type>(tile, value_rows, p.value.step_stride, p.value_width, output);
    return;
  }
  for_rows_by_four(group.rows, [&](auto rows, int64_t r) {
    add_values_to_rows<Type, rows.value>(value_rows, p.value.step_stride, s.scores + r, keys, p.value_width,
                                         output + r * p.value_width);
  });
}

// Rows of `block` over keys [first_key, last_key), into a partial softmax state.
static void decode_chunk(const RowBlock& block, int64_t first_key, int64_t last_key, const Partial& partial,
                         void* scratch, const Stop& stop) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  const DecodeScratch s = DecodeScratch::carve(p, block.rows, cursor);
  RowGroup& group = *s.group;
  group.rows = block.rows;
  describe_rows(block, 0, group);
  Stage stages[2];
  const int64_t stage_count = list_stages(p, stages);
  for (int64_t i = 0; i < block.rows * p.value_width; ++i) partial.output[i] = 0;

  with_type(p.query.type, [&](auto type) {
    using Type = decltype(type);
    for (int64_t r = 0; r < block.rows; ++r) {
      const RowOrigin origin = origin_of_row(block, r);
      const auto* row =
          static_cast<const typename Type::Element*>(p.query.data) +
          offset_of(p.query, block.batch, origin.head, block.sequence.query_start + origin.query);
      float* query = s.queries + r * p.width;
      widen<Type>(row, p.width, query);
      for (int64_t d = 0; d < p.width; ++d) query[d] *= query_factor(p);
    }
    const int64_t begin = first_key > group.keys.first ? first_key : group.keys.first;
    const int64_t end = last_key < group.keys.last ? last_key : group.keys.last;
    for (int64_t first = begin; first < end && !stop(); first += decode_tile) {
      const int64_t last = first + decode_tile < end ? first + decode_tile : end;
      decode_tile_of<Type>({s.scores, first, last, &group, &p}, group, s, block, stages, stage_count,
                           partial.output);
    }
  });
  for (int64_t r = 0; r < block.rows; ++r) {
    partial.maximum[r] = group.maximum[r];
    partial.sum[r] = group.sum[r];
  }
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
