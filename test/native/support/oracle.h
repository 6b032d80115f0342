// Attention as its definition says, in float64, one number at a time: what kernels are held against.
#pragma once

#include <cmath>
#include <vector>

#include "core/problem.h"

namespace heed::test {

struct OracleRow {
  std::vector<double> scores, capped, biased, weights;  // per key of the sequence
  std::vector<double> output;
  double log_sum_exp;
  // Of a hard selection: the key, −1 for none, and by how much its sum leads, which rounding may decide when
  // it is next to nothing.
  int64_t choice = -1;
  double lead = INFINITY;
};

// The row of one (batch entry, query head, query step).
OracleRow oracle(const AttentionProblem& problem, int64_t batch, int64_t head, int64_t query);

}  // namespace heed::test
