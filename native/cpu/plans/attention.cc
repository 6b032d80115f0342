// Plans fused attention as tasks. A sequence with more than a few rows per key head uses the forward kernel,
// one task per block of rows; a sequence with few rows uses the decode kernel, see decode.cc. Both divisions
// depend on the sequence alone, not on the batch or the number of threads, so results do not depend on these
// either.
#include <algorithm>
#include <numeric>

#include "cpu/plans/planned_attention.h"

namespace heed::cpu {

namespace {

struct ForwardTask {
  int64_t batch, key_head, first_row;
};

// Longest sequences first, and within a head the blocks with the most keys first, so that the last tasks are
// the lightest.
std::vector<ForwardTask> forward_tasks(const PlannedAttention& planned) {
  const auto& sequences = planned.problem.sequences;
  std::vector<int64_t> order(sequences.size());
  std::iota(order.begin(), order.end(), 0);
  const auto pairs = [&](int64_t batch) { return sequences[batch].query_steps * sequences[batch].key_steps; };
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return pairs(a) != pairs(b) ? pairs(a) > pairs(b) : a < b; });
  std::vector<ForwardTask> tasks;
  for (const int64_t batch : order) {
    if (is_decoded(planned, sequences[batch])) continue;
    const int64_t rows = planned.rows_of(sequences[batch]);
    const int64_t block = planned.table.row_block;
    const int64_t last_block = (rows - 1) / block * block;
    for (int64_t head = 0; head < planned.parameters.key_heads; ++head) {
      for (int64_t first = last_block; first >= 0; first -= block) tasks.push_back({batch, head, first});
    }
  }
  return tasks;
}

void plan_forward(const std::shared_ptr<const PlannedAttention>& planned, Plan& plan) {
  auto tasks = std::make_shared<const std::vector<ForwardTask>>(forward_tasks(*planned));
  if (tasks->empty()) return;
  const auto count = static_cast<int64_t>(tasks->size());
  plan.push_back({count, [planned, tasks](const TaskContext& context) {
                    const ForwardTask& task = (*tasks)[context.task];
                    const int64_t left =
                        planned->rows_of(planned->problem.sequences[task.batch]) - task.first_row;
                    const RowBlock block = planned->block_of(task.batch, task.key_head, task.first_row,
                                                             std::min(left, planned->table.row_block));
                    void* scratch =
                        context.scratch.reserve(planned->table.forward_scratch(planned->parameters));
                    planned->table.forward(block, scratch, stop_of(context));
                  }});
}

}  // namespace

void plan(const AttentionProblem& problem, Plan& plan) {
  const auto planned = std::make_shared<const PlannedAttention>(problem);
  plan_forward(planned, plan);
  plan_decode(planned, plan);
}

}  // namespace heed::cpu
