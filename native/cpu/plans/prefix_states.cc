#include "cpu/plans/prefix_states.h"

#include <algorithm>

namespace heed::cpu {

namespace {

// Rows of one task: enough to read the keys of a chunk from memory once for many of them.
constexpr int64_t state_rows_per_task = 64;

}  // namespace

PrefixStates::PrefixStates(const PlannedAttention& planned, const SharedPrefix& prefix)
    : planned_(planned),
      prefix_(prefix),
      key_heads_(planned.parameters.key_heads),
      head_group_(planned.parameters.head_group()),
      value_width_(planned.parameters.value_width),
      entry_rows_(planned.rows_of(planned.problem.sequences[prefix.first_entry])),
      rows_(entry_rows_ * prefix.entries),
      chunks_(prefix.keys / decode_chunk_keys),
      blocks_(tasks_for(rows_, state_rows_per_task)),
      outputs_(chunks_ * key_heads_ * rows_ * value_width_),
      maxima_(chunks_ * key_heads_ * rows_),
      sums_(maxima_.size()),
      bests_(maxima_.size()),
      choices_(maxima_.size()) {}

Partial PrefixStates::state_of(int64_t row) {
  return {outputs_.data() + row * value_width_, maxima_.data() + row, sums_.data() + row, bests_.data() + row,
          choices_.data() + row};
}

// The problem's parameters, for all rows of the prefix as one sequence, in which every row attends every key
// by its score alone.
AttentionParameters PrefixStates::parameters_of() const {
  AttentionParameters p = planned_.parameters;
  const Sequence& sequence = planned_.problem.sequences[prefix_.first_entry];
  const int64_t query =
      prefix_.first_entry * p.query.batch_stride + sequence.query_start * p.query.step_stride;
  p.query.data = static_cast<const char*>(p.query.data) + query * static_cast<int64_t>(size_of(p.query.type));
  p.query.batch_stride = 0;
  p.query.step_stride = prefix_.query_stride;
  p.scoring.window.right = unbounded;
  return p;
}

void PrefixStates::run(int64_t task, const TaskContext& context) {
  const int64_t chunk = task / blocks_ / key_heads_, key_head = task / blocks_ % key_heads_;
  const int64_t place = first_row(chunk, key_head);
  const AttentionParameters p = parameters_of();
  const Sequence all{0, rows_ / head_group_, chunk * decode_chunk_keys, decode_chunk_keys, 0};
  const int64_t begin = task % blocks_ * state_rows_per_task,
                end = std::min(begin + state_rows_per_task, rows_);
  void* scratch = context.scratch.reserve(planned_.table.decode_scratch(p, most_decode_rows));
  for (int64_t first = begin; first < end; first += most_decode_rows) {
    const int64_t rows = std::min(most_decode_rows, end - first);
    planned_.table.decode_chunk({&p, all, prefix_.first_entry, key_head, first, rows}, 0, decode_chunk_keys,
                                state_of(place + first), scratch, stop_of(context));
  }
}

void PrefixStates::add_states(int64_t batch, int64_t key_head, std::vector<Partial>& states) {
  const int64_t entry = batch - prefix_.first_entry;
  for (int64_t chunk = 0; chunk < chunks_; ++chunk)
    states.push_back(state_of(first_row(chunk, key_head) + entry * entry_rows_));
}

}  // namespace heed::cpu
