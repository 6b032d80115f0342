// Plans whatever problems come, one after the other.
#pragma once

#include <utility>

#include "core/plan.h"
#include "core/solver.h"

namespace heed::cpu {

// The buffers of the problems must outlive the plan.
class Planner final : public Solver {
 public:
  void attention(const AttentionProblem& problem) override;
  void unfused(const AttentionProblem& problem) override;
  void rows(const RowsProblem& problem) override;
  void projection(const ProjectionProblem& problem) override;
  void merge(const MergeProblem& problem) override;
  void append(const AppendProblem& problem) override;
  void cast(const CastProblem& problem) override;

  Plan take() { return std::move(plan_); }

 private:
  Plan plan_;
};

}  // namespace heed::cpu
