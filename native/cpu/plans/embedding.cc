// Plans embeddings: a task for some rows.
#include <algorithm>
#include <memory>

#include "cpu/backend.h"
#include "cpu/instruction_set.h"
#include "cpu/plans/rows.h"

namespace heed::cpu {

namespace {

constexpr int64_t embedded_per_task = 1 << 15;

void embed_row(const EmbeddingProblem& p, const ElementRows& rows, int64_t row, float* sum, float* added) {
  const auto at = static_cast<size_t>(row);
  rows.read(p.tables.front().data, p.tables.front().ids[at], sum);
  for (int64_t d = 0; d < p.width; ++d) sum[d] *= p.scale;
  for (size_t table = 1; table < p.tables.size(); ++table) {
    rows.read(p.tables[table].data, p.tables[table].ids[at], added);
    for (int64_t d = 0; d < p.width; ++d) sum[d] += added[d];
  }
  rows.write(sum, p.output, row);
}

}  // namespace

void plan(const EmbeddingProblem& problem, Plan& plan) {
  if (problem.rows() == 0 || problem.width == 0) return;
  const auto embedding = std::make_shared<const EmbeddingProblem>(problem);
  const ElementRows elements{kernels(), problem.type, problem.width};
  const int64_t rows = std::max<int64_t>(1, embedded_per_task / problem.width);
  plan.push_back({tasks_for(problem.rows(), rows), [=](const TaskContext& context) {
                    const EmbeddingProblem& p = *embedding;
                    auto* sum = static_cast<float*>(
                        context.scratch.reserve(2 * static_cast<size_t>(p.width) * sizeof(float)));
                    const int64_t end = std::min(p.rows(), (context.task + 1) * rows);
                    for (int64_t row = context.task * rows; row < end; ++row)
                      embed_row(p, elements, row, sum, sum + p.width);
                  }});
}

}  // namespace heed::cpu
