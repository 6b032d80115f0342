#include "cpu/planner.h"

#include "cpu/backend.h"

namespace heed::cpu {

void Planner::attention(const AttentionProblem& problem) {
  plan_attention(problem, plan_);
}
void Planner::unfused(const AttentionProblem& problem) {
  plan_unfused(problem, plan_);
}
void Planner::rows(const RowsProblem& problem) {
  plan_rows(problem, plan_);
}
void Planner::projection(const ProjectionProblem& problem) {
  plan_projection(problem, plan_);
}
void Planner::merge(const MergeProblem& problem) {
  plan_merge(problem, plan_);
}
void Planner::append(const AppendProblem& problem) {
  plan_append(problem, plan_);
}
void Planner::cast(const CastProblem& problem) {
  plan_cast(problem, plan_);
}

}  // namespace heed::cpu
