// Plans norms of rows: a task for some of them.
#include <algorithm>

#include "cpu/backend.h"
#include "cpu/instruction_set.h"

namespace heed::cpu {

namespace {

// Rows of a task have so many elements: then widening the weight, once a task, costs little.
constexpr int64_t normalised_per_task = 1 << 15;

}  // namespace

void plan(const NormProblem& problem, Plan& plan) {
  if (problem.rows == 0) return;
  const KernelTable& table = kernels();
  const int64_t rows = std::max<int64_t>(1, normalised_per_task / problem.width);
  plan.push_back({tasks_for(problem.rows, rows), [=, &table](const TaskContext& context) {
                    const int64_t first = context.task * rows;
                    table.normalise_rows(problem, first, std::min(rows, problem.rows - first),
                                         context.scratch.reserve(table.normalise_scratch(problem.width)));
                  }});
}

}  // namespace heed::cpu
