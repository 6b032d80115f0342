// Attention by its definition, in float64, one number at a time: the reference for kernels.
#pragma once

#include <cmath>
#include <vector>

#include "core/problem.h"

namespace heed::test {

struct OracleRow {
  std::vector<double> scores, capped, biased, weights;  // per key of the sequence
  std::vector<double> output;
  double log_sum_exp;
  // For hard selection: the key, −1 for none, and the margin of its sum, because rounding may decide when the
  // margin is close to 0.
  int64_t choice = -1;
  double lead = INFINITY;
};

// The row of one (batch entry, query head, query step).
OracleRow oracle(const AttentionProblem& problem, int64_t batch, int64_t head, int64_t query);

// The noise that draws keys, and tokens, whose head is −1; lib/backends/reference/draws.ts gives the reason.
double drawn_noise(uint64_t seed, int64_t batch, int64_t head, int64_t position, int64_t key);

}  // namespace heed::test
