#include "cpu/solving.h"

namespace heed::cpu {

namespace {

AttentionParameters parameters_of(const AttentionProblem& p) {
  return {
      .query_heads = p.query_heads,
      .key_heads = p.key_heads,
      .width = p.width,
      .value_width = p.value_width,
      .query = p.query,
      .key = p.key,
      .value = p.value,
      .output = p.output,
      .log_sum_exp = p.log_sum_exp,
      .scale = p.scale,
      .softcap = p.softcap,
      .causal = p.causal,
      .window_left = p.window_left,
      .window_right = p.window_right,
      .mask = p.mask,
      .alibi_slopes = p.alibi_slopes.empty() ? nullptr : p.alibi_slopes.data(),
      .sinks = p.sinks.empty() ? nullptr : p.sinks.data(),
  };
}

}  // namespace

SolvingAttention::SolvingAttention(const AttentionProblem& problem)
    : problem(problem), parameters(parameters_of(this->problem)), table(kernels()) {}

}  // namespace heed::cpu
