// Cascade attention: keys that several sequences have in common are attended once, by the queries of all of
// them as the rows of one sequence, and what that gives is joined with the rest by log-sum-exp (Juravsky et
// al., Hydragen, 2024).
#pragma once

#include <memory>
#include <vector>

#include "cpu/plans/shared_prefix.h"

namespace heed::cpu {

// What all rows of a shared prefix make of its keys, a chunk of keys at a time. A vector or two of rows go
// through the decode kernel, as many at a time as it takes, over keys that stay in L2; more go through the
// forward kernel.
class PrefixStates {
 public:
  PrefixStates(const PlannedAttention& planned, const SharedPrefix& prefix);

  // All or a block of the rows of one key head, over one chunk.
  int64_t tasks() const { return chunks_ * key_heads_ * blocks_; }
  void run(int64_t task, const TaskContext& context);

  // Adds the states of one entry and key head, one for each chunk, once all tasks are done.
  void add_states(int64_t batch, int64_t key_head, std::vector<Partial>& states);

 private:
  // Where chunk and key head have their rows.
  int64_t first_row(int64_t chunk, int64_t key_head) const { return (chunk * key_heads_ + key_head) * rows_; }
  // That of a row, wherever it is.
  Partial state_of(int64_t row);
  AttentionParameters parameters_of(int64_t key_head, int64_t place);
  void decode(const RowBlock& all, int64_t place, const TaskContext& context);
  void forward(const RowBlock& block, int64_t place, const TaskContext& context);

  const PlannedAttention& planned_;
  SharedPrefix prefix_;
  int64_t key_heads_, head_group_, value_width_;
  int64_t entry_rows_, rows_;  // of one entry and of all
  bool decoded_;
  int64_t chunk_keys_, chunks_, blocks_;
  std::vector<float> outputs_, maxima_, sums_, bests_;
  std::vector<int64_t> choices_;
};

}  // namespace heed::cpu
