// An AttentionProblem in the form that kernels take: plain, with its tables in device memory.
#pragma once

#include "core/problem.h"
#include "cuda/common/device_pages.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// What products of queries and keys are multiplied by, for cosine scores: a number for each query, [query
// heads, query steps] of one batch entry after the other, and one for each key, [key heads, key steps] of
// them. All in device memory; null for other scores.
struct ScoreFactors {
  struct First {
    int64_t query, key;  // numbers of earlier entries
  };
  const float *query = nullptr, *key = nullptr;
  const First* first = nullptr;  // of each batch entry
};

struct DeviceAttention {
  View query, key, value;
  DevicePages pages;
  MutableView output, log_sum_exp;
  ScoreFactors factors;
  Scoring scoring;  // with its lists in device memory
  int32_t query_heads = 0;
  int32_t key_heads = 0;
  int32_t key_width = 0;
  int32_t value_width = 0;
};

// Whether keys and values lie in the pages of a cache.
bool is_paged(const AttentionProblem& problem);

// Its scores are products: other queries, and factors, stand for general and cosine scores (fold_score.h).
// Throws Unsupported for problems that no CUDA kernel supports.
DeviceAttention parameters_of(const AttentionProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
