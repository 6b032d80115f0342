#include "cuda/solve.h"

#include <algorithm>

#include "cuda/attention_forward/near_rows.h"
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
}

const void* as_float32(const void* data, DType type, int64_t count, Workspace& workspace) {
  if (type == DType::float32) return data;
  auto* widened = workspace.allocate_array<float>(static_cast<size_t>(count));
  cast({data, type, widened, DType::float32, count}, workspace);
  return widened;
}

// The problem without the query rows of sequences that go to the other kernel.
AttentionProblem only(const AttentionProblem& problem, AttentionKernel kernel) {
  AttentionProblem part = problem;
  for (Sequence& sequence : part.sequences) {
    if (kernel_for(problem, sequence) != kernel) sequence.query_steps = 0;
  }
  return part;
}

bool has_rows(const AttentionProblem& problem) {
  return std::ranges::any_of(problem.sequences,
                             [](const Sequence& sequence) { return sequence.query_steps > 0; });
}

// What attention_forward supports, attention_decode supports as well, so nothing is launched that the other
// kernel then refuses.
void launch(const AttentionProblem& problem, Workspace& workspace) {
  expect_supported(problem);
  if (problem.scoring.selection.is_hard()) return attention_choose(problem, workspace);
  const AttentionProblem forward = only(problem, AttentionKernel::forward);
  if (has_rows(forward)) attention_forward(forward, workspace);
  attention_decode(only(problem, AttentionKernel::decode), workspace);
}

void launch(const RowsProblem& problem, Workspace& workspace) {
  expect_supported(problem.attention);
  attention_rows(problem, workspace);
}

// Kernels take an input and a weight of one type; if the types differ, both are converted to the type that
// holds either.
void launch(const ProjectionProblem& given, Workspace& workspace) {
  if (given.epilogue.present()) throw Unsupported("activations, caps and residuals of products");
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

void launch(const HeadsProblem& problem, Workspace& workspace) {
  copy_heads(problem, workspace);
}

void launch(const NormProblem& problem, Workspace& workspace) {
  if (problem.addend != nullptr) throw Unsupported("rows added to normalised ones");
  norm(problem, workspace);
}

void launch(const SampleProblem& problem, Workspace& workspace) {
  sample(problem, workspace);
}

void launch(const EmbeddingProblem& problem, Workspace& workspace) {
  embed(problem, workspace);
}

void launch(const PoolingProblem& problem, Workspace& workspace) {
  pool(problem, workspace);
}

}  // namespace

// attention_forward uses one block per tile of 64 or 128 query rows of one head, and each block reads all
// keys: this is fast with many full tiles. With few rows most of a tile is idle, and one block per head
// leaves most of the GPU idle. attention_decode puts the rows of all heads that share a key head into tiles
// of 16 and divides the keys among blocks. Up to 16 steps, it has no more tiles than there are heads, so it
// reads keys no more often than attention_forward does. Other sequences of the batch have no say, so that a
// sequence comes to the same bits in every batch.
AttentionKernel kernel_for(const AttentionProblem& problem, const Sequence& sequence) {
  if (sequence.query_steps <= decode_rows) return AttentionKernel::decode;
  const auto has_type_of_queries = [&problem](DType type) { return type == problem.query.type; };
  const bool one_type = has_type_of_queries(problem.key.type) && has_type_of_queries(problem.value.type);
  const bool has_kernel =
      has_type_of_queries(problem.output.type) && (one_type || have_quantised_rows(problem));
  return has_kernel ? AttentionKernel::forward : AttentionKernel::decode;
}

void solve(const Problem& problem, Workspace& workspace) {
  std::visit([&workspace](const auto& each) { launch(each, workspace); }, problem);
}

const Compiled* compiled() {
  static const Compiled here{&driver, &solve};
  return &here;
}

}  // namespace heed::cuda
