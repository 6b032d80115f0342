#include "cuda/solve.h"

#include <algorithm>

#include "cuda/attention_parameters.h"
#include "cuda/launchers.h"
#include "cuda/runtime/devices.h"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

void expect_supported(const AttentionProblem& problem) {
  const ScoreKind score = problem.scoring.score.kind;
  if (score == ScoreKind::location || score == ScoreKind::additive)
    throw Unsupported("scores of types location and additive");
  if (problem.scoring.selection.kind == SelectionKind::local) throw Unsupported("local selections");
  if (problem.scoring.alibi_absolute) throw Unsupported("ALiBi with absolute distances");
  if (problem.scoring.alibi_batch_stride != 0) throw Unsupported("slopes of ALiBi per batch entry");
  if (problem.key.type == DType::int8 || problem.value.type == DType::int8)
    throw Unsupported("caches of int8");
}

const void* as_float32(const void* data, DType type, int64_t count, Workspace& workspace) {
  if (type == DType::float32) return data;
  auto* widened = workspace.allocate_array<float>(static_cast<size_t>(count));
  cast({data, type, widened, DType::float32, count}, workspace);
  return widened;
}

void launch(const AttentionProblem& problem, Workspace& workspace) {
  expect_supported(problem);
  switch (kernel_for(problem)) {
    case AttentionKernel::forward:
      return attention_forward(problem, workspace);
    case AttentionKernel::decode:
      return attention_decode(problem, workspace);
    case AttentionKernel::choose:
      return attention_choose(problem, workspace);
  }
}

void launch(const RowsProblem& problem, Workspace& workspace) {
  expect_supported(problem.attention);
  attention_rows(problem, workspace);
}

// Kernels take an input and a weight of one type; if the types differ, both are converted to the type that
// holds either.
void launch(const ProjectionProblem& given, Workspace& workspace) {
  if (given.input_type == given.weight_type || given.packed != nullptr) return projection(given, workspace);
  ProjectionProblem problem = given;
  problem.input = as_float32(given.input, given.input_type, given.rows * given.inner, workspace);
  problem.weight = as_float32(given.weight, given.weight_type, given.columns * given.inner, workspace);
  problem.input_type = problem.weight_type = DType::float32;
  projection(problem, workspace);
}

void launch(const MergeProblem& problem, Workspace& workspace) {
  merge(problem, workspace);
}

void launch(const AppendProblem& problem, Workspace& workspace) {
  append(problem, workspace);
}

void launch(const CastProblem& problem, Workspace& workspace) {
  cast(problem, workspace);
}

}  // namespace

// attention_forward uses one block per tile of 64 or 128 query rows of one head, and each block reads all
// keys: this is fast with many full tiles. With few rows most of a tile is idle, and one block per head
// leaves most of the GPU idle. attention_decode puts the rows of all heads that share a key head into one
// tile of 16 and divides the keys among blocks; with more rows than one tile holds, keys are read once for
// every tile. Only attention_decode reads pages.
AttentionKernel kernel_for(const AttentionProblem& problem) {
  if (problem.scoring.selection.is_hard()) return AttentionKernel::choose;
  if (is_paged(problem)) return AttentionKernel::decode;
  const int64_t group = problem.query_heads / problem.key_heads;
  const bool few_rows = std::ranges::all_of(problem.sequences, [group](const Sequence& sequence) {
    return sequence.query_steps <= decode_rows / group;
  });
  return few_rows ? AttentionKernel::decode : AttentionKernel::forward;
}

void solve(const Problem& problem, Workspace& workspace) {
  std::visit([&workspace](const auto& each) { launch(each, workspace); }, problem);
}

const Compiled* compiled() {
  static const Compiled here{&driver, &solve};
  return &here;
}

}  // namespace heed::cuda
