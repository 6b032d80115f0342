// The common part of all plans of an attention problem: the problem, its plain parameters and the kernels
// selected for it.
#pragma once

#include <memory>

#include "core/plan.h"
#include "core/problem.h"
#include "cpu/instruction_set.h"

namespace heed::cpu {

// Keys [first, last) of a sequence.
struct Keys {
  int64_t first, last;
  int64_t count() const { return last - first; }
};

// The phases that use it keep it alive. The kernels are fixed when the plan is made.
struct PlannedAttention {
  explicit PlannedAttention(const AttentionProblem& problem);
  PlannedAttention(const PlannedAttention&) = delete;
  PlannedAttention& operator=(const PlannedAttention&) = delete;

  const AttentionProblem problem;
  const AttentionParameters& parameters;  // of `problem`, which kernels take
  const KernelTable& table;

  int64_t rows_of(const Sequence& sequence) const { return sequence.query_steps * parameters.head_group(); }
  // The keys of a sequence that the window lets some row attend. Plans count keys from the first of them:
  // keys before it, which a rolling cache drops, must not affect a result.
  Keys keys_of(const Sequence& sequence) const;
  // Rows [first_row, first_row + rows) of one batch entry and key head.
  RowBlock block_of(int64_t batch, int64_t key_head, int64_t first_row, int64_t rows) const;
};

// Keys of one decode task: a power of two times the kernel's tile; see bench/NOTES.md.
constexpr int64_t decode_chunk_keys = 512;

// Whether a sequence uses the decode kernel.
bool is_decoded(const PlannedAttention& planned, const Sequence& sequence);
// Appends the phases for the decoded sequences of the problem; see decode.cc.
void plan_decode(const std::shared_ptr<const PlannedAttention>& planned, Plan& plan);

inline Stop stop_of(const TaskContext& context) {
  return {&context.cancellation,
          [](const void* state) { return static_cast<const Cancellation*>(state)->cancelled(); }};
}

}  // namespace heed::cpu
