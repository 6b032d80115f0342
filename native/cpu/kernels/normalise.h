// RMSNorm of a head (Zhang and Sennrich 2019, "Root Mean Square Layer Normalization").
#pragma once

#include "cpu/kernels/vector.h"

namespace heed::cpu::HEED_ISA {

static inline void normalise(const HeadNorm& norm, int64_t width, float* head) {
  Vec sums{};
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    const Vec x = load(head + i);
    sums = multiply_add(x, x, sums);
  }
  float squares = horizontal_sum(sums);
  for (; i < width; ++i) squares = multiply_add(head[i], head[i], squares);
  const float factor = 1 / __builtin_sqrtf(squares / static_cast<float>(width) + norm.epsilon);
  for (i = 0; i + lanes <= width; i += lanes)
    store(head + i, load(head + i) * splat(factor) * load(norm.weight + i));
  for (; i < width; ++i) head[i] *= factor * norm.weight[i];
}

}  // namespace heed::cpu::HEED_ISA
