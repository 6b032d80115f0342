#include "support/oracle.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "support/half.h"

namespace heed::test {

namespace {

uint32_t mix(uint32_t bits) {
  bits = (bits ^ (bits >> 16)) * 0x21f0aaadu;
  bits = (bits ^ (bits >> 15)) * 0x735a2d97u;
  return bits ^ (bits >> 15);
}

}  // namespace

double drawn_noise(uint64_t seed, int64_t batch, int64_t head, int64_t position, int64_t key) {
  uint32_t states[2] = {0x243f6a88u, 0x85a308d3u};
  for (uint32_t& state : states) {
    for (const int64_t word : {static_cast<int64_t>(seed & 0xffffffffu), static_cast<int64_t>(seed >> 32),
                               batch, head, position}) {
      state = mix((state ^ static_cast<uint32_t>(word)) + 0x9e3779b9u);
    }
  }
  const double bits = mix(mix(static_cast<uint32_t>(key) + states[0]) ^ states[1]);
  return -std::log(-std::log1p(-(bits + 0.5) / 4294967296.0));
}

namespace {

double element(const View& view, int64_t batch, int64_t head, int64_t step, int64_t d) {
  return read(view.data, view.type,
              batch * view.batch_stride + head * view.head_stride + step * view.step_stride + d);
}

// The number added to the score of a key before the best is selected. −1 is the sink.
double noise(const AttentionProblem& p, int64_t batch, int64_t head, int64_t position, int64_t key) {
  if (p.scoring.selection.kind != SelectionKind::drawn) return 0;
  return drawn_noise(p.scoring.selection.seed, batch, head, position, key);
}

// The numbers of a row, and what of a score is the same for all of its keys: an element that is read and
// converted again for every key would take most of the time of the tests.
class Scores {
 public:
  Scores(const AttentionProblem& p, int64_t batch, int64_t head, int64_t query)
      : p_(p), batch_(batch), key_head_(head / (p.query_heads / p.key_heads)), k_(p.key_width) {
    const Sequence& sequence = p.sequences[batch];
    if (query >= sequence.query_steps) return;
    const Score& score = p.scoring.score;
    const bool learnt = score.kind == ScoreKind::general || score.kind == ScoreKind::additive;
    for (int64_t i = 0; i < (learnt ? p.query_width : p.key_width); ++i)
      q_.push_back(element(p.query, batch, head, sequence.query_start + query, i));
    if (score.kind == ScoreKind::general) {
      // qᵀ W
      std::vector<double> product(p.key_width);
      for (int64_t i = 0; i < p.query_width; ++i) {
        for (int64_t j = 0; j < p.key_width; ++j)
          product[j] += q_[i] * at(score.weight, head, i * p.key_width + j);
      }
      q_ = std::move(product);
    }
    if (score.kind == ScoreKind::additive) {
      // W q, U and v
      std::vector<double> products(score.hidden);
      for (int64_t h = 0; h < score.hidden; ++h) {
        for (int64_t i = 0; i < p.query_width; ++i)
          products[h] += at(score.weight, head, h * p.query_width + i) * q_[i];
        for (int64_t i = 0; i < p.key_width; ++i) u_.push_back(at(score.key, key_head_, h * p.key_width + i));
        v_.push_back(at(score.vector, head, h));
      }
      q_ = std::move(products);
    }
  }

  double operator()(int64_t key) {
    const int64_t step =
        p_.scoring.score.kind == ScoreKind::location ? key : p_.sequences[batch_].key_start + key;
    for (int64_t i = 0; i < p_.key_width; ++i) k_[i] = element(p_.key, batch_, key_head_, step, i);
    if (p_.scoring.score.kind == ScoreKind::additive) return additive();
    const double sum = product(q_.data(), k_);
    // Zeros have no direction, and also get 0.
    if (p_.scoring.score.kind != ScoreKind::cosine || sum == 0) return sum;
    return sum / std::sqrt(product(q_.data(), q_) * product(k_.data(), k_));
  }

 private:
  static double at(const HeadMatrix& matrix, int64_t head, int64_t index) {
    return read(matrix.data, matrix.type, head * matrix.head_stride + index);
  }

  static double product(const double* a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < b.size(); ++i) sum += a[i] * b[i];
    return sum;
  }

  // vᵀ tanh(W q + U k)
  double additive() const {
    double sum = 0;
    for (size_t h = 0; h < v_.size(); ++h)
      sum += v_[h] * std::tanh(q_[h] + product(u_.data() + h * k_.size(), k_));
    return sum;
  }

  const AttentionProblem& p_;
  int64_t batch_, key_head_;
  std::vector<double> q_, k_, u_, v_;
};

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
  Scores scores(p, batch, head, query);
  double highest = -INFINITY;
  // A row past the end of its sequence has no keys.
  const int64_t keys = query < sequence.query_steps ? sequence.key_steps : 0;
  for (int64_t key = 0; key < keys; ++key) {
    double score = scores(key);
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
    if (p.scoring.alibi_slopes != nullptr) {
      const auto ahead = static_cast<double>(key - position);
      score += p.scoring.alibi_slopes[batch * p.scoring.alibi_batch_stride + head] *
               (p.scoring.alibi_absolute ? -std::fabs(ahead) : ahead);
    }
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
  // NaN is no maximum, and yet a row that attends nothing else is NaN; only hard selection passes it over.
  const bool has_nan = std::ranges::any_of(row.biased, [](double score) { return std::isnan(score); });
  if (highest == -INFINITY && (!has_nan || p.scoring.selection.is_hard())) return row;
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
