// An AttentionProblem in the form that kernels take: plain, with its tables in device memory.
#pragma once

#include "core/problem.h"
#include "cuda/common/device_pages.h"
#include "cuda/workspace.h"

namespace heed::cuda {

struct DeviceAttention {
  View query, key, value;
  DevicePages pages;
  MutableView output, log_sum_exp;
  Scoring scoring;  // with its lists in device memory
  int32_t query_heads = 0;
  int32_t key_heads = 0;
  int32_t key_width = 0;
  int32_t value_width = 0;
};

// Whether keys and values lie in the pages of a cache.
bool is_paged(const AttentionProblem& problem);

// Throws Unsupported for problems that no CUDA kernel supports.
DeviceAttention parameters_of(const AttentionProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
