// An AttentionProblem as kernels take it: plain, and with its tables on the device.
#pragma once

#include "core/problem.h"
#include "cuda/common/device_pages.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// A row at position p may attend keys p − left … p + right: windows, and causality.
struct KeyWindow {
  int64_t left = 0, right = 0;
};
// What is unbounded ends far behind every key, and so that sums with positions do not overflow.
KeyWindow window_of(const AttentionProblem& problem);

struct AttentionParameters {
  View query, key, value;
  DevicePages pages;
  MutableView output, log_sum_exp;
  MaskView mask;                        // data is null without a mask
  const Sequence* sequences = nullptr;  // on the device, one per batch entry
  const float* alibi_slopes = nullptr;  // on the device, one per query head; or null
  const float* sinks = nullptr;         // the same
  KeyWindow window;
  int32_t query_heads = 0;
  int32_t key_heads = 0;
  int32_t width = 0;
  int32_t value_width = 0;
  float scale = 1;
  float softcap = 0;  // 0: scores are not capped
};

// Whether keys and values lie in the pages of a cache.
bool is_paged(const AttentionProblem& problem);

// Throws Unsupported for what no CUDA kernel does.
AttentionParameters parameters_of(const AttentionProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
