#include "cuda/solver/device_solver.h"

#include "cuda/launchers.h"
#include "cuda/solver/attention_choice.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

void expect_supported(const AttentionProblem& problem) {
  if (problem.score.kind != ScoreKind::product) throw Unsupported("scores other than products");
  if (problem.selection.kind != SelectionKind::soft) throw Unsupported("selections other than soft");
  if (problem.key.type == DType::int8 || problem.value.type == DType::int8)
    throw Unsupported("caches of int8");
}

}  // namespace

void DeviceSolver::attention(const AttentionProblem& problem) {
  expect_supported(problem);
  switch (kernel_for(problem)) {
    case AttentionKernel::forward:
      return attention_forward(problem, workspace_);
    case AttentionKernel::decode:
      return attention_decode(problem, workspace_);
  }
}

void DeviceSolver::rows(const RowsProblem& problem) {
  expect_supported(problem.attention);
  attention_rows(problem, workspace_);
}

// Kernels take an input and a weight of one type; where they differ, both are taken in the type that holds
// either.
void DeviceSolver::projection(const ProjectionProblem& given) {
  if (given.input_type == given.weight_type || given.packed != nullptr)
    return cuda::projection(given, workspace_);
  ProjectionProblem problem = given;
  problem.input = as_float32(given.input, given.input_type, given.rows * given.inner);
  problem.weight = as_float32(given.weight, given.weight_type, given.columns * given.inner);
  problem.input_type = problem.weight_type = DType::float32;
  cuda::projection(problem, workspace_);
}

const void* DeviceSolver::as_float32(const void* data, DType type, int64_t count) {
  if (type == DType::float32) return data;
  auto* widened = workspace_.allocate_array<float>(static_cast<size_t>(count));
  cuda::cast({data, type, widened, DType::float32, count}, workspace_);
  return widened;
}

void DeviceSolver::merge(const MergeProblem& problem) {
  cuda::merge(problem, workspace_);
}

void DeviceSolver::append(const AppendProblem& problem) {
  cuda::append(problem, workspace_);
}

void DeviceSolver::cast(const CastProblem& problem) {
  cuda::cast(problem, workspace_);
}

}  // namespace heed::cuda
