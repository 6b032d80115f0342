#include "cpu/plans/prefix_states.h"

#include <algorithm>
#include <cmath>

namespace heed::cpu {

namespace {

// Keys of one forward-kernel task. Larger chunks would leave threads idle; smaller ones give more states to
// merge.
constexpr int64_t forward_chunk_keys = 1024;

constexpr float log2_e = 1.44269504088896340736f;

int64_t parts_of(int64_t whole, int64_t part) {
  return (whole + part - 1) / part;
}

// The decode kernel's states are maxima in log2 units and sums relative to them.
void as_state(float* log_sum_exp, float* sum, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    const float value = log_sum_exp[r];
    // A row without a key has sum 0, and a NaN row must not be taken for one.
    sum[r] = std::isnan(value) ? value : value == -INFINITY ? 0.0f : 1.0f;
    log_sum_exp[r] = std::isnan(value) ? -INFINITY : value * log2_e;
  }
}

}  // namespace

PrefixStates::PrefixStates(const PlannedAttention& planned, const SharedPrefix& prefix)
    : planned_(planned),
      prefix_(prefix),
      key_heads_(planned.parameters.key_heads),
      head_group_(planned.parameters.head_group()),
      value_width_(planned.parameters.value_width),
      entry_rows_(planned.rows_of(planned.problem.sequences[prefix.first_entry])),
      rows_(entry_rows_ * prefix.entries),
      decoded_(rows_ <= 2 * planned.table.lanes),
      chunk_keys_(decoded_ ? decode_chunk_keys : forward_chunk_keys),
      chunks_(parts_of(prefix.keys, chunk_keys_)),
      blocks_(decoded_ ? 1 : parts_of(rows_, planned.table.row_block)),
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
AttentionParameters PrefixStates::parameters_of(int64_t key_head, int64_t place) {
  AttentionParameters p = planned_.parameters;
  const Sequence& sequence = planned_.problem.sequences[prefix_.first_entry];
  const int64_t query =
      prefix_.first_entry * p.query.batch_stride + sequence.query_start * p.query.step_stride;
  p.query.data = static_cast<const char*>(p.query.data) + query * static_cast<int64_t>(size_of(p.query.type));
  p.query.batch_stride = 0;
  p.query.step_stride = prefix_.query_stride;
  // Rows of a key head are consecutive, as in a decode kernel's state: heads of the group, step by step. Head
  // 0 would begin this many rows before the first head of this group.
  const int64_t before = key_head * head_group_;
  p.output = {outputs_.data() + (place - before) * value_width_, DType::float32, 0, value_width_,
              head_group_ * value_width_};
  p.log_sum_exp = {maxima_.data() + place - before, DType::float32, 0, 1, head_group_};
  p.scoring.sinks = nullptr;
  p.scoring.window.right = unbounded;
  return p;
}

void PrefixStates::run(int64_t task, const TaskContext& context) {
  const int64_t chunk = task / blocks_ / key_heads_, key_head = task / blocks_ % key_heads_;
  const int64_t place = first_row(chunk, key_head), first_key = chunk * chunk_keys_;
  const AttentionParameters p = parameters_of(key_head, place);
  const Sequence all{0, rows_ / head_group_, first_key, std::min(chunk_keys_, prefix_.keys - first_key), 0};
  const int64_t first = task % blocks_ * planned_.table.row_block;
  if (decoded_) {
    decode({&p, all, prefix_.first_entry, key_head, 0, rows_}, place, context);
  } else {
    const int64_t rows = std::min(planned_.table.row_block, rows_ - first);
    forward({&p, all, prefix_.first_entry, key_head, first, rows}, place, context);
  }
}

void PrefixStates::decode(const RowBlock& all, int64_t place, const TaskContext& context) {
  void* scratch = context.scratch.reserve(planned_.table.decode_scratch(*all.parameters, most_decode_rows));
  for (int64_t first = 0; first < rows_; first += most_decode_rows) {
    RowBlock block = all;
    block.first_row = first;
    block.rows = std::min(most_decode_rows, rows_ - first);
    planned_.table.decode_chunk(block, 0, chunk_keys_, state_of(place + first), scratch, stop_of(context));
  }
}

void PrefixStates::forward(const RowBlock& block, int64_t place, const TaskContext& context) {
  void* scratch = context.scratch.reserve(planned_.table.forward_scratch(*block.parameters));
  planned_.table.forward(block, scratch, stop_of(context));
  const int64_t first = place + block.first_row;
  as_state(maxima_.data() + first, sums_.data() + first, block.rows);
}

void PrefixStates::add_states(int64_t batch, int64_t key_head, std::vector<Partial>& states) {
  const int64_t entry = batch - prefix_.first_entry;
  for (int64_t chunk = 0; chunk < chunks_; ++chunk)
    states.push_back(state_of(first_row(chunk, key_head) + entry * entry_rows_));
}

}  // namespace heed::cpu
