// The parameters of the projection kernels.
#pragma once

#include <cstdint>

#include "core/view.h"

namespace heed::cuda {

constexpr int32_t most_projection_targets = 8;  // per launch

struct ProjectionParameters {
  const void* input;   // [rows, inner]
  const void* weight;  // [last_column, inner]
  const float* bias;   // [last_column], or null
  int64_t rows, steps, inner;
  int64_t first_column, last_column;  // range of the requested columns
  bool aligned;                       // rows of input and weight are aligned to 16 bytes
  uint32_t row_tiles;
  int32_t target_count;
  ProjectionTarget targets[most_projection_targets];
};

}  // namespace heed::cuda
