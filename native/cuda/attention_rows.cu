#include "cuda/attention_rows.h"

#include "cuda/aligned_rows.h"
#include "cuda/device/launch.cuh"
#include "cuda/element_type.h"
#include "cuda/kernels/attention_rows.cuh"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

constexpr int64_t widest_head = 8192;  // that a row of float32 fits into shared memory

void check(const RowsProblem& problem) {
  const AttentionProblem& attention = problem.attention;
  if (attention.query.type != attention.key.type) throw Unsupported("queries and keys of different types");
  if (attention.key_width > widest_head) throw Unsupported("rows of heads wider than 8192");
  if (problem.keys > INT32_MAX) throw Unsupported("rows of 2^31 keys or more");
}

}  // namespace

void attention_rows(const RowsProblem& problem, Workspace& workspace) {
  check(problem);
  const auto heads = static_cast<int64_t>(problem.heads.size()),
             queries = static_cast<int64_t>(problem.queries.size());
  const int64_t rows = static_cast<int64_t>(problem.attention.sequences.size()) * heads * queries;
  if (rows == 0 || problem.keys == 0) return;
  RowsParameters p{};
  p.attention = parameters_of(problem.attention, workspace);
  p.heads = workspace.upload(problem.heads);
  p.queries = workspace.upload(problem.queries);
  p.head_count = static_cast<int32_t>(heads);
  p.query_count = static_cast<int32_t>(queries);
  p.keys = problem.keys;
  p.key_blocks = (problem.keys + rows_keys_per_block - 1) / rows_keys_per_block;
  p.aligned = has_aligned_keys(problem.attention);
  p.scores = problem.scores;
  p.capped_scores = problem.capped_scores;
  p.biased_scores = problem.biased_scores;
  p.weights = problem.weights;
  const LaunchShape shape{rows * p.key_blocks, rows_threads,
                          static_cast<size_t>(problem.attention.key_width) * sizeof(float)};
  with_element_type(problem.attention.query.type, [&](auto element) {
    launch(&attention_rows_kernel<typename decltype(element)::type>, shape, workspace.stream(), p);
  });
}

}  // namespace heed::cuda
