// Appending to a cache as tasks: keys or values of one batch entry, some steps at a time.
#include <algorithm>

#include "cpu/solving.h"

namespace heed::cpu {

namespace {

constexpr int64_t steps_per_task = 1024;

struct Task {
  const AppendProblem::Part* part;
  int64_t first, steps;
};

}  // namespace

void plan_append(const AppendProblem& problem, Plan& plan) {
  struct Appending {
    AppendProblem problem;
    std::vector<Task> tasks;
  };
  auto appending = std::make_shared<Appending>();
  appending->problem = problem;
  for (const AppendProblem::Part& part : appending->problem.parts) {
    for (int64_t first = 0; first < part.steps; first += steps_per_task)
      appending->tasks.push_back({&part, first, std::min(steps_per_task, part.steps - first)});
  }
  const KernelTable& table = kernels();
  const auto tasks = static_cast<int64_t>(appending->tasks.size());
  if (tasks == 0) return;
  plan.push_back({tasks * 2, [appending = std::shared_ptr<const Appending>(appending),
                              &table](const TaskContext& context) {
                    const AppendProblem& p = appending->problem;
                    const Task& task = appending->tasks[context.task / 2];
                    const AppendProblem::Part& part = *task.part;
                    const bool key = context.task % 2 == 0;
                    StoredRows rows{
                        .from = key ? p.key : p.value,
                        .to = key ? p.cached_key : p.cached_value,
                        .width = key ? p.width : p.value_width,
                        .head = 0,
                        .from_entry = part.entry,
                        .from_step = part.start + task.first,
                        .to_entry = part.entry,
                        .to_step = part.position + task.first,
                        .count = task.steps,
                    };
                    for (; rows.head < p.heads; ++rows.head) table.store_rows(rows);
                  }});
}

}  // namespace heed::cpu
