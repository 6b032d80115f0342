// Problems on their way to the launchers.
#pragma once

#include "core/solver.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Launches each problem on the workspace's stream. Buffers are the device's memory. Throws Unsupported for
// what no kernel does, before anything of that problem is launched.
class DeviceSolver final : public Solver {
 public:
  explicit DeviceSolver(Workspace& workspace) : workspace_(workspace) {}

  void attention(const AttentionProblem& problem) override;
  void unfused(const AttentionProblem& problem) override { attention(problem); }
  void rows(const RowsProblem& problem) override;
  void projection(const ProjectionProblem& problem) override;
  void merge(const MergeProblem& problem) override;
  void append(const AppendProblem& problem) override;
  void cast(const CastProblem& problem) override;

 private:
  const void* as_float32(const void* data, DType type, int64_t count);

  Workspace& workspace_;
};

}  // namespace heed::cuda
