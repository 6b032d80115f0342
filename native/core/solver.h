// Whoever takes problems: a backend that computes them, or plans to.
#pragma once

#include "core/problem.h"

namespace heed {

// Problems come in the order in which they are to be solved; each may read what the ones before it wrote.
// Problems are copied where they are needed longer; the buffers they point to stay for as long as the solver
// says.
class Solver {
 public:
  Solver() = default;
  virtual ~Solver() = default;
  Solver(const Solver&) = delete;
  Solver& operator=(const Solver&) = delete;

  virtual void attention(const AttentionProblem& problem) = 0;
  // The same with intermediate matrices, where that is faster: soft, and scored by products.
  virtual void unfused(const AttentionProblem& problem) = 0;
  virtual void rows(const RowsProblem& problem) = 0;
  virtual void projection(const ProjectionProblem& problem) = 0;
  virtual void merge(const MergeProblem& problem) = 0;
  virtual void append(const AppendProblem& problem) = 0;
  virtual void cast(const CastProblem& problem) = 0;
};

}  // namespace heed
