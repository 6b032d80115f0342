// Merging as tasks of a few rows.
#include <algorithm>

#include "cpu/solving.h"

namespace heed::cpu {

namespace {
constexpr int64_t rows_per_task = 256;
}

void plan_merge(const MergeProblem& problem, Plan& plan) {
  struct Solving {
    MergeProblem problem;
    std::vector<const void*> outputs;
    std::vector<const float*> log_sum_exps;
  };
  auto solving = std::make_shared<Solving>();
  solving->problem = problem;
  for (const MergeProblem::Part& part : problem.parts) {
    solving->outputs.push_back(part.output);
    solving->log_sum_exps.push_back(part.log_sum_exp);
  }
  const KernelTable& table = kernels();
  plan.push_back({(problem.rows + rows_per_task - 1) / rows_per_task,
                  [solving = std::shared_ptr<const Solving>(solving), &table](const TaskContext& context) {
                    const MergeProblem& p = solving->problem;
                    void* scratch = context.scratch.reserve(table.merge_scratch(p.width));
                    const int64_t end = std::min(p.rows, (context.task + 1) * rows_per_task);
                    for (int64_t row = context.task * rows_per_task; row < end; ++row) {
                      table.merge(solving->outputs.data(), solving->log_sum_exps.data(),
                                  static_cast<int64_t>(p.parts.size()), row, p.width, p.type, p.output,
                                  p.log_sum_exp, scratch);
                    }
                  }});
}

}  // namespace heed::cpu
