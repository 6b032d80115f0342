// Cascade attention: the queries of several sequences attend their common keys once, as the rows of one
// sequence, and the result is merged with the rest by log-sum-exp (Juravsky et al., Hydragen, 2024).
#pragma once

#include <memory>
#include <vector>

#include "cpu/plans/shared_prefix.h"

namespace heed::cpu {

// The states of all rows of a shared prefix over its keys, one per chunk of keys: those that each sequence
// would come to by itself, to the bit. The decode kernel takes as many rows at a time as it can, over keys
// that stay in L2.
class PrefixStates {
 public:
  PrefixStates(const PlannedAttention& planned, const SharedPrefix& prefix);

  // A task handles a block of rows of one key head over one chunk.
  int64_t tasks() const { return chunks_ * key_heads_ * blocks_; }
  void run(int64_t task, const TaskContext& context);

  // Adds the states of one entry and key head, one per chunk, once all tasks are done.
  void add_states(int64_t batch, int64_t key_head, std::vector<Partial>& states);

 private:
  // The first row of a chunk and key head.
  int64_t first_row(int64_t chunk, int64_t key_head) const { return (chunk * key_heads_ + key_head) * rows_; }
  // The state of a row, in any chunk.
  Partial state_of(int64_t row);
  AttentionParameters parameters_of() const;

  const PlannedAttention& planned_;
  SharedPrefix prefix_;
  int64_t key_heads_, head_group_, value_width_;
  int64_t entry_rows_, rows_;  // of one entry, and of all entries
  int64_t chunks_, blocks_;
  std::vector<float> outputs_, maxima_, sums_, bests_;
  std::vector<int64_t> choices_;
};

}  // namespace heed::cpu
