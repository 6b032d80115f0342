// The pages in which caches keep keys and values. Plain structs, so that kernels compiled for one instruction
// set may include them.
#pragma once

#include <cstdint>

namespace heed {

// Keys or values of a batch: pages of [heads, steps, width], with the strides of the view that refers to
// them. Step s of batch entry b is step s % steps of page first[b] + s / steps.
struct Pages {
  int64_t steps = 1;
  const int64_t* first = nullptr;  // for each batch entry
  void* const* data = nullptr;
  // For scaled types: the scale that dequantises each row, [heads, steps] for each page. Null for others.
  float* const* scales = nullptr;
  // For keys of int8 that may have outlier channels: [heads, blocks, levels, pitch] for each page, see
  // core/outliers.h. Null for all others.
  uint8_t* const* outliers = nullptr;
  int64_t outlier_pitch = 0, outlier_stride = 0;  // of a level, and of all blocks of a head
};

}  // namespace heed
