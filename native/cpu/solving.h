// What every plan of an attention problem shares: the problem, its plain parameters and the kernels chosen
// for it.
#pragma once

#include <memory>

#include "core/plan.h"
#include "core/problem.h"
#include "cpu/instruction_set.h"

namespace heed::cpu {

// Kept alive by the phases that use it. The kernels are fixed when the plan is made.
struct SolvingAttention {
  explicit SolvingAttention(const AttentionProblem& problem);
  SolvingAttention(const SolvingAttention&) = delete;
  SolvingAttention& operator=(const SolvingAttention&) = delete;

  const AttentionProblem problem;
  const AttentionParameters parameters;  // points into `problem`
  const KernelTable& table;

  int64_t rows_of(const Sequence& sequence) const { return sequence.query_steps * parameters.group(); }
};

inline Stop stop_of(const TaskContext& context) {
  return {&context.cancellation,
          [](const void* state) { return static_cast<const Cancellation*>(state)->cancelled(); }};
}

}  // namespace heed::cpu
