// Scores and weights of one query row, recomputed from its log-sum-exp: what a fused kernel never keeps.
#pragma once

#include "cpu/kernels/dot.h"
#include "cpu/kernels/score_row.h"
#include "cpu/kernels/scratch_cursor.h"

namespace heed::cpu::HEED_ISA {

struct RowsScratch {
  float *query, *row;

  static RowsScratch carve(const AttentionParameters& p, int64_t keys, ScratchCursor& cursor) {
    RowsScratch s;
    s.query = cursor.take<float>(p.width);
    s.row = cursor.take<float>(keys + lanes);  // vectors may run over the end
    return s;
  }
};

static size_t rows_scratch(const AttentionParameters& p, int64_t keys) {
  ScratchCursor cursor{nullptr};
  RowsScratch::carve(p, keys, cursor);
  return cursor.used();
}

static inline void copy_row(const float* row, int64_t keys, float* to) {
  if (to) __builtin_memcpy(to, row, static_cast<size_t>(keys) * sizeof(float));
}

static void rows(const RowsRequest& request, void* scratch) {
  const AttentionParameters& p = *request.parameters;
  ScratchCursor cursor{scratch};
  const RowsScratch s = RowsScratch::carve(p, request.keys, cursor);
  const int64_t key_head = request.head / p.group(), valid = request.sequence.key_steps;
  const int64_t step = request.sequence.query_start + request.query;

  with_type(p.query.type, [&](auto type) {
    using Type = decltype(type);
    widen<Type>(static_cast<const typename Type::Element*>(p.query.data) +
                    offset_of(p.query, request.batch, request.head, step),
                p.width, s.query);
    for (int64_t d = 0; d < p.width; ++d) s.query[d] *= p.scale;
    const auto* keys = static_cast<const typename Type::Element*>(p.key.data) +
                       offset_of(p.key, request.batch, key_head, request.sequence.key_start);
    dot_rows<Type>(s.query, 1, p.width, keys, p.key.step_stride, valid, p.width, s.row, 0);
  });
  // Keys that the sequence does not have are keys that it does not attend.
  const RowBlock block{&p, request.sequence, request.batch, key_head, 0, 0};
  const Row facts = describe_row(block, request.query * p.group() + request.head % p.group());
  const ScoreRow row{s.row, 0, valid, &facts, &p};
  for (int64_t key = valid; key < request.keys + lanes; ++key) s.row[key] = -infinity;
  copy_row(s.row, request.keys, request.scores);

  if (p.softcap > 0) cap_row(row, 1 / p.softcap, p.softcap);
  for (int64_t key = valid; key < request.keys + lanes; ++key) s.row[key] = -infinity;
  copy_row(s.row, request.keys, request.capped_scores);

  bias_row(row, 1);
  exclude_from_row(row);
  copy_row(s.row, request.keys, request.biased_scores);

  if (!request.weights) return;
  const float log_sum_exp = static_cast<const float*>(
      p.log_sum_exp.data)[offset_of(p.log_sum_exp, request.batch, request.head, step)];
  if (log_sum_exp == -infinity) {
    __builtin_memset(request.weights, 0, static_cast<size_t>(request.keys) * sizeof(float));
    return;
  }
  for (int64_t key = 0; key < request.keys; key += lanes) {
    store(s.row + key, exp2((load(s.row + key) - splat(log_sum_exp)) * splat(log2_e)));
  }
  copy_row(s.row, request.keys, request.weights);
}

}  // namespace heed::cpu::HEED_ISA
