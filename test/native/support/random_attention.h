// Random attention problems over every feature, layout and edge, with the memory they point to.
#pragma once

#include <memory>

#include "core/problem.h"
#include "support/half.h"
#include "support/random.h"

namespace heed::test {

struct RandomAttention {
  explicit RandomAttention(Random& random);
  RandomAttention(const RandomAttention&) = delete;

  AttentionProblem problem;
  std::unique_ptr<Buffer> query, key, value, output, log_sum_exp, mask;
};

}  // namespace heed::test
