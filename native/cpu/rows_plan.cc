// Scores and weights of chosen rows, a task a row.
#include "cpu/solving.h"

namespace heed::cpu {

void plan_rows(const RowsProblem& problem, Plan& plan) {
  const auto solving = std::make_shared<const SolvingAttention>(problem.attention);
  const auto request = std::make_shared<const RowsProblem>(problem);
  const auto heads = static_cast<int64_t>(problem.heads.size()),
             queries = static_cast<int64_t>(problem.queries.size());
  const int64_t tasks = static_cast<int64_t>(problem.attention.sequences.size()) * heads * queries;
  plan.push_back({tasks, [=](const TaskContext& context) {
                    const int64_t batch = context.task / (heads * queries);
                    const auto place = [&](float* array) {
                      return array ? array + context.task * request->keys : nullptr;
                    };
                    const RowsRequest row{
                        .parameters = &solving->parameters,
                        .sequence = solving->problem.sequences[batch],
                        .batch = batch,
                        .head = request->heads[context.task / queries % heads],
                        .query = request->queries[context.task % queries],
                        .keys = request->keys,
                        .scores = place(request->scores),
                        .capped_scores = place(request->capped_scores),
                        .biased_scores = place(request->biased_scores),
                        .weights = place(request->weights),
                    };
                    solving->table.rows(row, context.scratch.reserve(
                                                 solving->table.rows_scratch(solving->parameters, row.keys)));
                  }});
}

}  // namespace heed::cpu
