#include "support/oracle.h"

#include <algorithm>
#include <cmath>

#include "support/half.h"

namespace heed::test {

namespace {

double element(const View& view, int64_t batch, int64_t head, int64_t step, int64_t d) {
  return read(view.data, view.type,
              batch * view.batch_stride + head * view.head_stride + step * view.step_stride + d);
}

uint32_t mix(uint32_t bits) {
  bits = (bits ^ (bits >> 16)) * 0x21f0aaadu;
  bits = (bits ^ (bits >> 15)) * 0x735a2d97u;
  return bits ^ (bits >> 15);
}

// The number added to the score of a key before the best is selected; lib/backends/reference/draws.ts gives
// the reason. −1 is the sink.
double noise(const AttentionProblem& p, int64_t batch, int64_t head, int64_t position, int64_t key) {
  if (p.scoring.selection.kind != SelectionKind::drawn) return 0;
  uint32_t states[2] = {0x243f6a88u, 0x85a308d3u};
  for (uint32_t& state : states) {
    for (const int64_t word : {static_cast<int64_t>(p.scoring.selection.seed & 0xffffffffu),
                               static_cast<int64_t>(p.scoring.selection.seed >> 32), batch, head, position}) {
      state = mix((state ^ static_cast<uint32_t>(word)) + 0x9e3779b9u);
    }
  }
  const double bits = mix(mix(static_cast<uint32_t>(key) + states[0]) ^ states[1]);
  return -std::log(-std::log1p(-(bits + 0.5) / 4294967296.0));
}

// vᵀ tanh(W q + U k)
template <class Query, class Key>
double additive(const AttentionProblem& p, int64_t head, int64_t key_head, const Query& q, const Key& k) {
  const auto at = [](const HeadMatrix& matrix, int64_t of, int64_t index) {
    return read(matrix.data, matrix.type, of * matrix.head_stride + index);
  };
  double sum = 0;
  for (int64_t h = 0; h < p.scoring.score.hidden; ++h) {
    double inner = 0;
    for (int64_t i = 0; i < p.query_width; ++i)
      inner += at(p.scoring.score.weight, head, h * p.query_width + i) * q(i);
    for (int64_t i = 0; i < p.key_width; ++i)
      inner += at(p.scoring.score.key, key_head, h * p.key_width + i) * k(i);
    sum += at(p.scoring.score.vector, head, h) * std::tanh(inner);
  }
  return sum;
}

double similarity(const AttentionProblem& p, int64_t batch, int64_t head, int64_t query, int64_t key) {
  const Sequence& sequence = p.sequences[batch];
  const int64_t key_head = head / (p.query_heads / p.key_heads);
  const int64_t key_step = p.scoring.score.kind == ScoreKind::location ? key : sequence.key_start + key;
  const auto q = [&](int64_t d) { return element(p.query, batch, head, sequence.query_start + query, d); };
  const auto k = [&](int64_t d) { return element(p.key, batch, key_head, key_step, d); };
  if (p.scoring.score.kind == ScoreKind::additive) return additive(p, head, key_head, q, k);
  double sum = 0;
  if (p.scoring.score.kind == ScoreKind::general) {
    const HeadMatrix& w = p.scoring.score.weight;
    for (int64_t i = 0; i < p.query_width; ++i) {
      for (int64_t j = 0; j < p.key_width; ++j)
        sum += q(i) * read(w.data, w.type, head * w.head_stride + i * p.key_width + j) * k(j);
    }
    return sum;
  }
  double query_squares = 0, key_squares = 0;
  for (int64_t d = 0; d < p.key_width; ++d) {
    sum += q(d) * k(d);
    query_squares += q(d) * q(d);
    key_squares += k(d) * k(d);
  }
  if (p.scoring.score.kind != ScoreKind::cosine || sum == 0)
    return sum;  // zeros have no direction, and also get 0
  return sum / std::sqrt(query_squares * key_squares);
}

double center_of(const AttentionProblem& p, int64_t batch, int64_t head, int64_t query) {
  const Centers& centers = p.scoring.selection.centers;
  if (centers.data == nullptr) return 0;
  return read(centers.data, centers.type,
              batch * centers.batch_stride + head * centers.head_stride + query * centers.query_stride);
}

// Gives all weight to the largest sum, the first of several. A sink with a larger sum leaves no weight.
void choose(const AttentionProblem& p, int64_t batch, int64_t head, int64_t position, OracleRow& row) {
  double best =
      p.scoring.sinks == nullptr ? -INFINITY : p.scoring.sinks[head] + noise(p, batch, head, position, -1);
  double second = -INFINITY;
  for (size_t key = 0; key < row.biased.size(); ++key) {
    if (row.biased[key] == -INFINITY) continue;
    const auto number = static_cast<int64_t>(key);
    const double sum = row.biased[key] + noise(p, batch, head, position, number);
    second = std::max(second, std::min(sum, best));
    if (sum <= best) continue;
    best = sum;
    row.choice = number;
  }
  row.weights.assign(row.biased.size(), 0.0);
  if (row.choice >= 0) row.weights[row.choice] = 1;
  if (second != -INFINITY) row.lead = best - second;
}

}  // namespace

OracleRow oracle(const AttentionProblem& p, int64_t batch, int64_t head, int64_t query) {
  const Sequence& sequence = p.sequences[batch];
  const int64_t key_head = head / (p.query_heads / p.key_heads), position = sequence.query_offset + query;
  OracleRow row;
  std::vector<bool> attended;
  std::vector<double> bells;
  double highest = -INFINITY;
  for (int64_t key = 0; key < sequence.key_steps; ++key) {
    double score = similarity(p, batch, head, query, key);
    row.scores.push_back(score *= p.scoring.scale);
    if (p.scoring.softcap > 0) score = p.scoring.softcap * std::tanh(score / p.scoring.softcap);
    row.capped.push_back(score);
    const KeyWindow& window = p.scoring.window;
    bool may = key >= position - window.left && key <= position + window.right;
    const double distance = static_cast<double>(key) - center_of(p, batch, head, query);
    const bool local = p.scoring.selection.kind == SelectionKind::local;
    may &= !local || std::fabs(distance) <= p.scoring.selection.half_width;
    const double sigma = p.scoring.selection.half_width / 2;
    bells.push_back(local ? std::exp(-distance * distance / (2 * sigma * sigma)) : 1);
    if (p.scoring.alibi_slopes != nullptr)
      score += p.scoring.alibi_slopes[head] * static_cast<double>(key - position);
    if (p.scoring.mask.data) {
      const double mask = read(p.scoring.mask.data, p.scoring.mask.type,
                               batch * p.scoring.mask.batch_stride + head * p.scoring.mask.head_stride +
                                   query * p.scoring.mask.query_stride + key * p.scoring.mask.key_stride);
      if (p.scoring.mask.type == DType::boolean) {
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
  const double sink = p.scoring.sinks == nullptr ? -INFINITY : p.scoring.sinks[head];
  row.log_sum_exp = sink;
  if (highest == -INFINITY) return row;
  highest = std::max(highest, sink);
  double sum = std::exp(sink - highest);
  for (const double score : row.biased) sum += std::exp(score - highest);
  row.log_sum_exp = highest + std::log(sum);
  for (size_t key = 0; key < row.biased.size(); ++key) {
    if (attended[key]) row.weights[key] = std::exp(row.biased[key] - highest) / sum * bells[key];
  }
  if (p.scoring.selection.is_hard()) {
    choose(p, batch, head, position, row);
    attended.assign(attended.size(), false);
    if (row.choice >= 0) attended[row.choice] = true;
  }
  for (size_t key = 0; key < row.biased.size(); ++key) {
    if (!attended[key]) continue;
    for (int64_t d = 0; d < p.value_width; ++d) {
      row.output[d] += row.weights[key] *
                       element(p.value, batch, key_head, sequence.key_start + static_cast<int64_t>(key), d);
    }
  }
  return row;
}

}  // namespace heed::test
