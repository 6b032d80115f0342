// Prepares query rows for scoring: widens them to float32, scales them, and does everything else that does
// not depend on a key. General scores multiply queries by a learned matrix, qᵀ W k = (Wᵀ q)·k; cosine scores
// normalise them to length 1.
#pragma once

#include "cpu/kernels/head_matrix.h"
#include "cpu/kernels/length.h"
#include "cpu/kernels/rows_of_block.h"
#include "cpu/kernels/scratch_cursor.h"

namespace heed::cpu::HEED_ISA {

static inline bool has_learnt(const AttentionParameters& p) {
  return p.scoring.score.kind == ScoreKind::general || p.scoring.score.kind == ScoreKind::additive;
}

// The width of prepared queries.
static inline int64_t depth_of(const AttentionParameters& p) {
  return p.scoring.score.kind == ScoreKind::additive ? p.scoring.score.hidden : p.key_width;
}

struct QueryScratch {
  float *rows, *matrix;

  static QueryScratch carve(const AttentionParameters& p, int64_t rows, ScratchCursor& cursor) {
    QueryScratch s{};
    if (!has_learnt(p)) return s;
    s.rows = cursor.take<float>(rows * p.query_width);
    s.matrix = cursor.take<float>(p.query_width * padded(depth_of(p)));
    return s;
  }
};

static inline void widen_query_rows(const RowBlock& block, int64_t rows, float* out, int64_t stride) {
  const AttentionParameters& p = *block.parameters;
  with_type(p.query.type, [&](auto type) {
    using Type = decltype(type);
    for (int64_t r = 0; r < rows; ++r) {
      const RowOrigin origin = origin_of_row(block, r);
      widen<Type>(static_cast<const typename Type::Element*>(p.query.data) +
                      offset_of(p.query, block.batch, origin.head, block.sequence.query_start + origin.query),
                  p.query_width, out + r * stride);
    }
  });
}

// Rows of one head are `group` apart; if heads share a matrix, all rows are multiplied together, as for one
// head.
static inline void multiply_query_rows(const RowBlock& block, int64_t rows, const QueryScratch& s, float* out,
                                       int64_t stride) {
  const AttentionParameters& p = *block.parameters;
  const HeadMatrix& weight = p.scoring.score.weight;
  const int64_t heads = weight.head_stride == 0 ? 1 : p.head_group();
  for (int64_t h = 0; h < heads; ++h) {
    const int64_t first = (h + heads - block.first_row % heads) % heads;
    if (first >= rows) continue;
    const int64_t head = origin_of_row(block, first).head;
    p.scoring.score.kind == ScoreKind::additive
        ? load_transposed(weight, head, p.scoring.score.hidden, p.query_width, s.matrix)
        : load_matrix(weight, head, p.query_width, p.key_width, s.matrix);
    multiply_rows(s.rows + first * p.query_width, heads * p.query_width, (rows - first + heads - 1) / heads,
                  s.matrix, p.query_width, depth_of(p), out + first * stride, heads * stride);
  }
}

// Loads the first `rows` rows of a block as [rows, stride], times `factor`; the stride is at least
// padded(depth_of(p)). Additive scores use W q unscaled, and apply the factor to v.
static inline void load_query_rows(const RowBlock& block, int64_t rows, float factor, const QueryScratch& s,
                                   float* out, int64_t stride) {
  const AttentionParameters& p = *block.parameters;
  if (has_learnt(p)) {
    widen_query_rows(block, rows, s.rows, p.query_width);
    multiply_query_rows(block, rows, s, out, stride);
  } else {
    widen_query_rows(block, rows, out, stride);
  }
  if (p.scoring.score.kind == ScoreKind::additive) return;
  for (int64_t r = 0; r < rows; ++r) {
    float* row = out + r * stride;
    const float times = p.scoring.score.kind == ScoreKind::cosine
                            ? factor * inverse_length<Float32>(row, p.key_width)
                            : factor;
    for (int64_t d = 0; d < p.key_width; ++d) row[d] *= times;
  }
}

// The row stride of queries that are prepared for all rows of a block at once; 0 if none are.
static inline int64_t prepared_stride(const AttentionParameters& p) {
  return has_learnt(p) || p.scoring.score.kind == ScoreKind::cosine ? padded(depth_of(p)) : 0;
}

}  // namespace heed::cpu::HEED_ISA
