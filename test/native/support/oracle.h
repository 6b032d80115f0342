// Attention as its definition says, in float64, one number at a time: what kernels are held against.
#pragma once

#include <vector>

#include "core/problem.h"

namespace heed::test {

struct OracleRow {
  std::vector<double> scores, capped, biased, weights;  // per key of the sequence
  std::vector<double> output;
  double log_sum_exp;
};

// The row of one (batch entry, query head, query step).
OracleRow oracle(const AttentionProblem& problem, int64_t batch, int64_t head, int64_t query);

}  // namespace heed::test
