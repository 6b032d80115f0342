// RMSNorm (Zhang and Sennrich 2019, "Root Mean Square Layer Normalization") and LayerNorm (Ba et al. 2016,
// "Layer Normalization") of heads.
#pragma once

#include "cpu/kernels/vector.h"

namespace heed::cpu::HEED_ISA {

static inline float mean_of(const float* x, int64_t width) {
  Vec sums{};
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) sums = sums + load(x + i);
  float sum = horizontal_sum(sums);
  for (; i < width; ++i) sum += x[i];
  return sum / static_cast<float>(width);
}

static inline float squares_around(float mean, const float* x, int64_t width) {
  Vec sums{};
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    const Vec from_mean = load(x + i) - splat(mean);
    sums = multiply_add(from_mean, from_mean, sums);
  }
  float squares = horizontal_sum(sums);
  for (; i < width; ++i) squares = multiply_add(x[i] - mean, x[i] - mean, squares);
  return squares;
}

// Normalises, in place, the heads that belong together, of which this is the first.
static inline void normalise(const HeadNorm& norm, int64_t head, int64_t head_width, float* x) {
  const int64_t width = norm.heads * head_width, own = norm.shared ? 0 : head * head_width;
  const float* weight = norm.weight + own;
  const float mean = norm.centered ? mean_of(x, width) : 0;
  const float squares = squares_around(mean, x, width);
  const float factor = 1 / __builtin_sqrtf(squares / static_cast<float>(width) + norm.epsilon);
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes)
    store(x + i, (load(x + i) - splat(mean)) * splat(factor) * load(weight + i));
  for (; i < width; ++i) x[i] = (x[i] - mean) * (factor * weight[i]);
  if (norm.bias == nullptr) return;
  for (i = 0; i < width; ++i) x[i] += norm.bias[own + i];
}

}  // namespace heed::cpu::HEED_ISA
