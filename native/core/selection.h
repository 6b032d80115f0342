// What is done with the weights. Plain structs, so that kernels compiled for one instruction set may include
// them.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace heed {

enum class SelectionKind : uint8_t {
  soft,   // the weighted sum of all values
  hard,   // the value of the best key, the first of several
  drawn,  // the value of a key drawn from the weights
  local   // weights times a Gaussian around each query's own center, in a window around it
};

// Key positions, real numbers. A stride is 0 along every axis that they broadcast.
struct Centers {
  const void* data = nullptr;
  DType type = DType::float32;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t query_stride = 0;
};

// The key of each row of [batch, heads, queries], −1 for none; numbers that a double holds exactly.
struct Choices {
  double* data = nullptr;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
};

struct Selection {
  SelectionKind kind = SelectionKind::soft;
  uint64_t seed = 0;
  Centers centers;
  double half_width = 0;
  Choices choices;  // where a hard selection is to be told; null when nobody asked

  bool is_hard() const { return kind == SelectionKind::hard || kind == SelectionKind::drawn; }
};

}  // namespace heed
