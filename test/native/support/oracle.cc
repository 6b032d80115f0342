#include "support/oracle.h"

#include <algorithm>
#include <cmath>

#include "support/half.h"

namespace heed::test {

OracleRow oracle(const AttentionProblem& p, int64_t batch, int64_t head, int64_t query) {
  const Sequence& sequence = p.sequences[batch];
  const int64_t key_head = head / (p.query_heads / p.key_heads), position = sequence.query_offset + query;
  const auto element = [&](const View& view, int64_t h, int64_t step, int64_t d) {
    return read(view.data, view.type,
                batch * view.batch_stride + h * view.head_stride + step * view.step_stride + d);
  };
  OracleRow row;
  std::vector<bool> attended;
  double highest = -INFINITY;
  for (int64_t key = 0; key < sequence.key_steps; ++key) {
    double score = 0;
    for (int64_t d = 0; d < p.width; ++d) {
      score += element(p.query, head, sequence.query_start + query, d) *
               element(p.key, key_head, sequence.key_start + key, d);
    }
    row.scores.push_back(score *= p.scale);
    if (p.softcap > 0) score = p.softcap * std::tanh(score / p.softcap);
    row.capped.push_back(score);
    bool may = !(p.causal && key > position);
    may &= p.window_left == unbounded || key >= position - p.window_left;
    may &= p.window_right == unbounded || key <= position + p.window_right;
    if (!p.alibi_slopes.empty()) score += p.alibi_slopes[head] * static_cast<double>(key - position);
    if (p.mask.data) {
      const double mask = read(p.mask.data, p.mask.type,
                               batch * p.mask.batch_stride + head * p.mask.head_stride +
                                   query * p.mask.query_stride + key * p.mask.key_stride);
      if (p.mask.type == DType::boolean) {
        may &= mask != 0;
      } else {
        may &= mask != -INFINITY;
        score += mask;
      }
    }
    if (!may) score = -INFINITY;
    attended.push_back(may);
    row.biased.push_back(score);
    highest = std::max(highest, score);
  }
  row.output.assign(p.value_width, 0.0);
  row.weights.assign(row.biased.size(), 0.0);
  row.log_sum_exp = -INFINITY;
  if (highest == -INFINITY) return row;
  double sum = p.sinks.empty() ? 0 : std::exp(p.sinks[head] - highest);
  for (const double score : row.biased) sum += std::exp(score - highest);
  row.log_sum_exp = highest + std::log(sum);
  for (size_t key = 0; key < row.biased.size(); ++key) {
    if (!attended[key]) continue;
    row.weights[key] = std::exp(row.biased[key] - highest) / sum;
    for (int64_t d = 0; d < p.value_width; ++d) {
      row.output[d] +=
          row.weights[key] * element(p.value, key_head, sequence.key_start + static_cast<int64_t>(key), d);
    }
  }
  return row;
}

}  // namespace heed::test
