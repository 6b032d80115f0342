// Attention of few query rows over many keys. Each K and V row is read once, in place, for all rows. A long
// cache is cut into chunks that different threads process; the softmax states of the chunks are combined at
// the end.
#include "cpu/kernels/decode_values.h"
#include "cpu/kernels/dot.h"
#include "cpu/kernels/hard_selection.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/local_weights.h"
#include "cpu/kernels/query_rows.h"
#include "cpu/kernels/scale_scores.h"
#include "cpu/kernels/score_row.h"
#include "cpu/kernels/score_stages.h"

namespace heed::cpu::HEED_ISA {

struct DecodeScratch {
  float *queries, *scores, *values;  // [rows, padded width]; [rows, decode_tile]; [decode_tile, value_width]
  float* multiplied;                 // queries for keys with outlier channels
  QueryScratch query;

  static DecodeScratch carve(const AttentionParameters& p, int64_t rows, ScratchCursor& cursor) {
    DecodeScratch s;
    s.queries = cursor.take<float>(rows * padded(p.key_width));
    s.scores = cursor.take<float>(rows * decode_tile);
    s.values = cursor.take<float>(decode_tile * p.value_width);
    s.multiplied = cursor.take<float>(p.key.type == DType::int8 ? rows * padded(p.key_width) : 0);
    s.query = QueryScratch::carve(p, rows, cursor);
    return s;
  }
};

size_t decode_scratch(const AttentionParameters& p, int64_t rows) {
  ScratchCursor cursor{nullptr};
  DecodeScratch::carve(p, rows, cursor);
  return cursor.used();
}

static inline void choose_in_chunk(const ScoreRow& row, const RowBlock& block, const Partial& partial,
                                   int64_t r) {
  Choice choice{partial.best[r], partial.choice[r]};
  choose(row, stream_of(*block.parameters, block.batch, row.row->origin), choice);
  partial.best[r] = choice.score;
  partial.choice[r] = choice.key;
}

// Computes the scores of a tile of keys, one run at a time. `kept` has what s.multiplied was made with.
template <class Type>
static inline void score_keys(const RowBlock& block, KeyRange keys, const DecodeScratch& s,
                              KeptFactors& kept) {
  const AttentionParameters& p = *block.parameters;
  const int64_t key_step = first_key_step(block) + keys.first,
                value_step = block.sequence.key_start + keys.first;
  const int64_t stride = padded(p.key_width);
  const auto multiply_queries = [&](const float* factors) {
    for (int64_t r = 0; r < block.rows; ++r)
      multiply_each(s.queries + r * stride, factors, p.key_width, s.multiplied + r * stride);
  };
  for_runs(p.key, block, key_step, keys.last - keys.first, [&](const Run& run, int64_t first) {
    const auto score = [&](const Run& part, int64_t at, const float* factors) {
      const Upcoming<typename Type::Element> values{
          run_at(p.value, block, value_step + first + at, 1).template as<Type>(), p.value.step_stride,
          part.count, p.value_width};
      float* scores = s.scores + first + at;
      dot_rows<Type>(factors ? s.multiplied : s.queries, block.rows, stride, part.as<Type>(),
                     p.key.step_stride, part.count, p.key_width, scores, decode_tile, values);
      scale_scores<Type>(p, part, factors, block.rows, scores, decode_tile);
    };
    for_alike_keys(run, p.key.step_stride, kept, multiply_queries, score);
  });
}

// Processes keys [keys.first, keys.last) for all rows of a block.
template <class Type>
static inline void decode_keys(const RowBlock& block, const Row* rows, KeyRange keys, const DecodeScratch& s,
                               KeptFactors& kept, const Partial& partial) {
  const AttentionParameters& p = *block.parameters;
  const auto row_of = [&](int64_t r) {
    return ScoreRow{s.scores + r * decode_tile, keys.first, keys.last, rows + r, &p};
  };
  score_keys<Type>(block, keys, s, kept);
  bool careful = false;
  const Selection& selection = p.scoring.selection;
  for (int64_t r = 0; r < block.rows; ++r) {
    const ScoreRow row = row_of(r);
    cap_row(row, 1, p.scoring.softcap * log2_e);
    careful |= bias_row(row, log2_e);
    exclude_from_row(row);
    if (selection.is_hard()) choose_in_chunk(row, block, partial, r);
    if (selection.is_hard() && !p.log_sum_exp.data) continue;
    const float decay = softmax_row(row, partial.maximum[r], partial.sum[r]);
    if (selection.kind == SelectionKind::local) weigh(row);
    for (int64_t d = 0; d < p.value_width; ++d) partial.output[r * p.value_width + d] *= decay;
    careful |= keys.first < row.row->keys.first || keys.last > row.row->keys.last;
  }
  if (selection.is_hard()) return;
  const int64_t key_step = first_key_step(block), last_step = key_step + block.sequence.key_steps - 1;
  ValueRuns<typename Type::Element> values;
  for_runs(p.value, block, block.sequence.key_start + keys.first, keys.last - keys.first,
           [&](const Run& run, int64_t first) {
             for (int64_t r = 0; run.scales && r < block.rows; ++r)
               dequantise_by_weights(row_of(r), run, first, careful);
             // No page follows the last one; in a contiguous view, the next head may follow.
             const int64_t next = key_step + keys.first + first + decode_tile;
             const Run upcoming = run_at(p.key, block, p.key.pages && next > last_step ? last_step : next, 1);
             values.runs[values.count++] = {run.as<Type>(),
                                            p.value.step_stride,
                                            first,
                                            run.count,
                                            {upcoming.as<Type>(), p.key.step_stride, run.count, p.key_width}};
           });
  add_values_of_tile<Type>(block, values, row_of, careful, s.values, partial);
}

// Attends keys [first_key, last_key) with the rows of `block` and leaves a partial softmax state.
void decode_chunk(const RowBlock& block, int64_t first_key, int64_t last_key, const Partial& partial,
                  void* scratch, const Stop& stop) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  const DecodeScratch s = DecodeScratch::carve(p, block.rows, cursor);
  Row rows[most_decode_rows];
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

  load_query_rows(block, block.rows, query_factor(p), s.query, s.queries, padded(p.key_width));
  KeptFactors kept;
  with_stored_type(p.key.type, [&](auto type) {
    using Type = decltype(type);
    const int64_t begin = first_key > keys.first ? first_key : keys.first;
    const int64_t end = last_key < keys.last ? last_key : keys.last;
    for (int64_t first = begin; first < end && !stop(); first += decode_tile) {
      const int64_t last = first + decode_tile < end ? first + decode_tile : end;
      decode_keys<Type>(block, rows, {first, last}, s, kept, partial);
    }
  });
}

// Combines the chunks of one block and writes its output rows.
void decode_combine(const RowBlock& block, const Partial* partials, int64_t count, void* scratch) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  float* joined = cursor.take<float>(p.value_width);
  for (int64_t r = 0; r < block.rows; ++r) {
    const RowOrigin origin = origin_of_row(block, r);
    const int64_t step = block.sequence.query_start + origin.query;
    float highest = -infinity;
    bool empty = true;  // does not use the maximum, which stays −∞ if all scores are NaN
    for (int64_t c = 0; c < count; ++c) {
      if (partials[c].maximum[r] > highest) highest = partials[c].maximum[r];
      if (partials[c].sum[r] != 0) empty = false;
    }
    float reference = highest, sum = 0;
    const float sink = sink_of(p, origin.head);
    if (p.scoring.sinks && !empty) {
      const float scaled = in_log2_units(sink);
      if (scaled > reference) reference = scaled;
      sum = __builtin_exp2f(scaled - reference);
    }
    for (int64_t d = 0; d < p.value_width; ++d) joined[d] = 0;
    for (int64_t c = 0; c < count && !empty; ++c) {
      const float share = __builtin_exp2f(partials[c].maximum[r] - reference);
      // A chunk without a key for this row contributes nothing, not even 0 · NaN.
      if (partials[c].sum[r] == 0) continue;
      sum = multiply_add(partials[c].sum[r], share, sum);
      const float* output = partials[c].output + r * p.value_width;
      for (int64_t d = 0; d < p.value_width; ++d) joined[d] = multiply_add(output[d], share, joined[d]);
    }
    if (p.scoring.selection.is_hard()) {
      Choice choice = no_choice;
      for (int64_t c = 0; c < count; ++c) {
        if (is_better(partials[c].best[r], choice.score))
          choice = {partials[c].best[r], partials[c].choice[r]};
      }
      write_choice(block, origin, choice);
    }
    with_type(p.output.type, [&](auto type) {
      if (p.scoring.selection.is_hard()) return;
      using Type = decltype(type);
      auto* out = static_cast<typename Type::Element*>(p.output.data) +
                  offset_of(p.output, block.batch, origin.head, step);
      narrow<Type>(joined, p.value_width, empty ? 0.0f : 1 / sum, out);
    });
    if (p.log_sum_exp.data) {
      static_cast<float*>(p.log_sum_exp.data)[offset_of(p.log_sum_exp, block.batch, origin.head, step)] =
          log_sum_exp_of(reference, sum, sink);
    }
  }
}

}  // namespace heed::cpu::HEED_ISA
