#include "cpu/plans/planned_attention.h"

#include <algorithm>

namespace heed::cpu {

PlannedAttention::PlannedAttention(const AttentionProblem& problem)
    : problem(problem), parameters(this->problem), table(kernels()) {}

RowBlock PlannedAttention::block_of(int64_t batch, int64_t key_head, int64_t first_row, int64_t rows) const {
  return {&parameters, problem.sequences[batch], batch, key_head, first_row, rows};
}

Keys PlannedAttention::keys_of(const Sequence& sequence) const {
  const KeyWindow& window = parameters.scoring.window;
  const int64_t last_row = sequence.query_offset + sequence.query_steps - 1;
  const int64_t first = std::clamp<int64_t>(sequence.query_offset - window.left, 0, sequence.key_steps);
  return {first, std::clamp(last_row + window.right + 1, first, sequence.key_steps)};
}

// For each key, the decode kernel takes one step per `lanes` elements for every row, and folds the result;
// the forward kernel has all rows in one vector and takes one step per element, which is less with narrow
// heads. For additive scores most of the work is U k, which is the same for few and many rows.
bool is_decoded(const PlannedAttention& planned, const Sequence& sequence) {
  constexpr int64_t folding = 1;  // in steps
  const AttentionParameters& p = planned.parameters;
  const int64_t rows = planned.rows_of(sequence), lanes = planned.table.lanes;
  if (rows > most_decode_rows || p.scoring.score.kind == ScoreKind::additive) return false;
  // The kernel reads both as one type; they differ if positions replace the keys of a cache.
  if (p.key.type != p.value.type) return false;
  if (rows > lanes || planned.keys_of(sequence).count() > decode_chunk_keys) return true;
  const int64_t elements = p.key_width + p.value_width;
  return rows * ((elements + lanes - 1) / lanes + 2 * folding) <= elements;
}

}  // namespace heed::cpu
