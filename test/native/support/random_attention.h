// Random attention problems over every feature, layout and edge case, with the memory that they point to.
#pragma once

#include <memory>
#include <vector>

#include "core/problem.h"
#include "support/half.h"
#include "support/random.h"

namespace heed::test {

// The ranges from which problems are drawn.
struct AttentionLimits {
  int64_t batch = 3, key_heads = 3, group = 5, width = 140, queries = 150, keys = 700;
  bool whole_chunks = false;  // rows are aligned to 16 bytes, with lengths in multiples of 16 bytes
  bool scores = false;        // score functions other than the product
  bool local = false;         // local selection with predicted centers
  bool additive = false;      // included among the other scores
  bool hard = false;          // the best key alone, or a drawn key
  bool alibi = false;         // slopes per batch entry, and absolute distances
  bool bfloat16 = false;      // all tensors are
  bool padded = false;  // sequences may end before the tensors do, and log-sum-exps lie by step and head
};

struct RandomAttention {
  explicit RandomAttention(Random& random, const AttentionLimits& limits = {});
  RandomAttention(const RandomAttention&) = delete;

  AttentionProblem problem;
  std::unique_ptr<Buffer> query, key, value, output, log_sum_exp, mask, weight, centers;
  std::unique_ptr<Buffer> key_weight, vector;  // for additive scores
  std::vector<double> choices;                 // for hard selection

 private:
  void make_weights(Random& random, DType type);
  void select(Random& random, DType type, int64_t queries, int64_t keys, const AttentionLimits& limits);
};

}  // namespace heed::test
