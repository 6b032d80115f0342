// What becomes of the scores of one query row, a score at a time: for kernels that have few of them, or that
// are asked for each.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/attention_parameters.h"
#include "cuda/common/mask_element.cuh"
#include "cuda/common/online_softmax.cuh"
#include "cuda/device/thread.cuh"

namespace heed::cuda {

// With a relative error below 1e-6 everywhere.
__device__ __forceinline__ float tanh(float x) {
  const float magnitude = fabsf(x), square = x * x;
  // Near 0 the other formula would cancel: there the first terms of the continued fraction.
  const float small =
      x *
      (1 + square * (-0.33333333f + square * (0.13333333f + square * (-0.05396825f + square * 0.02186949f))));
  const float large = 1 - 2 * thread::reciprocal(1 + thread::exp2(magnitude * 2.885390081777927f));
  return magnitude < 0.25f ? small : copysignf(large, x);
}

// Natural units; −∞: none.
__device__ __forceinline__ float sink_of(const AttentionParameters& p, int32_t head) {
  return p.sinks == nullptr ? negative_infinity : p.sinks[head];
}

class ScoreRow {
 public:
  // Keys from `last_key` on are not the row's, whatever its window says.
  __device__ __forceinline__ ScoreRow(const AttentionParameters& p, const Sequence& sequence, int64_t batch,
                                      int32_t head, int64_t step, int32_t last_key)
      : position_(sequence.query_offset + step),
        mask_(batch * p.mask.batch_stride + head * p.mask.head_stride + step * p.mask.query_stride),
        first_(key_at(position_ - p.window.left, last_key)),
        last_(key_at(position_ + p.window.right + 1, last_key)),
        slope_(p.alibi_slopes == nullptr ? 0 : p.alibi_slopes[head]) {}
  // A row without a query attends nothing.
  __device__ __forceinline__ ScoreRow() : position_(0), mask_(0), first_(0), last_(0), slope_(0) {}

  __device__ __forceinline__ static int32_t key_at(int64_t key, int32_t last_key) {
    return key < 0 ? 0 : key > last_key ? last_key : static_cast<int32_t>(key);
  }

  __device__ __forceinline__ static float capped(const AttentionParameters& p, float product) {
    const float score = product * p.scale;
    return p.softcap > 0 ? p.softcap * tanh(score * (1 / p.softcap)) : score;
  }

  // As far as windows and lengths go.
  __device__ __forceinline__ bool in_range(int32_t key) const { return key >= first_ && key < last_; }

  // What ALiBi adds.
  __device__ __forceinline__ float slope_at(int32_t key) const {
    return slope_ * static_cast<float>(key - position_);
  }

  // With ALiBi and the mask, and −∞ where the row may not attend the key.
  __device__ __forceinline__ float biased(const AttentionParameters& p, float score, int32_t key) const {
    if (!in_range(key)) return negative_infinity;
    if (p.alibi_slopes != nullptr) score += slope_at(key);
    if (p.mask.data == nullptr) return score;
    const float bias = mask_of(p, key);
    return bias == negative_infinity ? bias : score + bias;  // NaN + −∞ would be NaN
  }

 private:
  __device__ __forceinline__ float mask_of(const AttentionParameters& p, int32_t key) const {
    float value = 0;
    with_mask_element(p.mask.type, [&](auto element) {
      using Element = decltype(element);
      value = mask_value(static_cast<const Element*>(p.mask.data)[mask_ + key * p.mask.key_stride]);
    });
    return value;
  }

  int64_t position_, mask_;
  int32_t first_, last_;
  float slope_;
};

}  // namespace heed::cuda
