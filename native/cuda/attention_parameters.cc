#include "cuda/attention_parameters.h"

#include <algorithm>

#include "cuda/unsupported.h"

namespace heed::cuda {

KeyWindow window_of(const AttentionProblem& problem) {
  constexpr int64_t far_away = int64_t{1} << 60;
  const int64_t right = problem.causal ? std::min<int64_t>(problem.window_right, 0) : problem.window_right;
  return {std::min(problem.window_left, far_away), std::min(right, far_away)};
}

bool is_paged(const AttentionProblem& problem) {
  return problem.key.pages != nullptr;
}

AttentionParameters parameters_of(const AttentionProblem& problem, Workspace& workspace) {
  if (problem.score.kind != ScoreKind::product) throw Unsupported("scores other than products");
  AttentionParameters p;
  p.query = problem.query;
  p.key = problem.key;
  p.value = problem.value;
  if (is_paged(problem)) p.pages = upload_pages(*problem.pages, workspace);
  p.output = problem.output;
  p.log_sum_exp = problem.log_sum_exp;
  p.mask = problem.mask;
  p.sequences = workspace.upload(problem.sequences);
  p.alibi_slopes = workspace.upload(problem.alibi_slopes);
  p.sinks = workspace.upload(problem.sinks);
  p.window = window_of(problem);
  p.query_heads = static_cast<int32_t>(problem.query_heads);
  p.key_heads = static_cast<int32_t>(problem.key_heads);
  p.width = static_cast<int32_t>(problem.width);
  p.value_width = static_cast<int32_t>(problem.value_width);
  p.scale = problem.scale;
  p.softcap = problem.softcap;
  return p;
}

}  // namespace heed::cuda
