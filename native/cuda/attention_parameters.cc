#include "cuda/attention_parameters.h"

#include "cuda/fold_score.h"

namespace heed::cuda {

bool is_paged(const AttentionProblem& problem) {
  return problem.key.pages != nullptr;
}

namespace {

// A number for each query head, of slopes perhaps for each batch entry.
size_t bytes_of(const AttentionProblem& problem, HeadNumbers list) {
  const bool per_entry = list == &Scoring::alibi_slopes && problem.scoring.alibi_batch_stride != 0;
  return (per_entry ? problem.sequences.size() : 1) * static_cast<size_t>(problem.query_heads) *
         sizeof(float);
}

}  // namespace

DeviceAttention parameters_of(const AttentionProblem& problem, Workspace& workspace) {
  DeviceAttention p;
  p.query = problem.query;
  p.key = problem.key;
  p.value = problem.value;
  if (is_paged(problem)) p.pages = upload_pages(*problem.pages, workspace);
  p.output = problem.output;
  p.log_sum_exp = problem.log_sum_exp;
  p.scoring = problem.scoring;
  for (const HeadNumbers list : head_numbers) {
    if (const float* numbers = problem.scoring.*list)
      p.scoring.*list = static_cast<const float*>(workspace.upload(numbers, bytes_of(problem, list)));
  }
  p.query_heads = static_cast<int32_t>(problem.query_heads);
  p.key_heads = static_cast<int32_t>(problem.key_heads);
  p.key_width = static_cast<int32_t>(problem.key_width);
  p.value_width = static_cast<int32_t>(problem.value_width);
  fold_score(problem, p, workspace);
  return p;
}

}  // namespace heed::cuda
