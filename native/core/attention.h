// The part of an attention problem that kernels take: plain structs, so that kernels compiled for one
// instruction set may include them.
#pragma once

#include <cstdint>

#include "core/scoring.h"
#include "core/view.h"

namespace heed {

struct AttentionParameters {
  int64_t query_heads = 0;
  int64_t key_heads = 0;  // divides query_heads: consecutive query heads share a key head
  int64_t key_width = 0;
  int64_t query_width = 0;  // equals the keys' width unless the score defines it otherwise
  int64_t value_width = 0;
  View query, key, value;
  MutableView output;
  MutableView log_sum_exp;  // float32; data is null unless requested
  Scoring scoring;

  // The number of query heads that share a key head.
  int64_t head_group() const { return query_heads / key_heads; }
};

}  // namespace heed
