// The problem of normalising rows: a plain struct, so that kernels compiled for one instruction set may
// include it.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace heed {

// Normalises rows of [rows, width], contiguous: (x − mean) / √(variance + epsilon) · (offset + weight) +
// bias. The mean is 0, and the variance that around 0, unless rows are centered. With a residual, x is the
// sum of input and residual, rounded to their type, which is written, too.
struct NormProblem {
  int64_t rows = 0;
  int64_t width = 0;
  DType type = DType::float32;  // of input, residual, sum, addend and output
  const void* input = nullptr;
  const void* residual = nullptr;  // null with `sum`: none
  void* sum = nullptr;
  const void* addend = nullptr;  // rows added to normalised ones before these are rounded, or null
  void* output = nullptr;
  const void* weight = nullptr;  // [width]
  DType weight_type = DType::float32;
  const void* bias = nullptr;  // [width], or null
  DType bias_type = DType::float32;
  float offset = 0;
  float epsilon = 0;
  bool centered = false;
};

}  // namespace heed
