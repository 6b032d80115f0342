// What becomes of the scores of one query row, a score at a time: for kernels that have few of them, or that
// are asked for each.
#pragma once

#include <cstdint>

#include "cuda/attention_parameters.h"
#include "cuda/kernels/mask_element.cuh"
#include "cuda/kernels/online_softmax.cuh"
#include "cuda/kernels/tanh.cuh"

namespace heed::cuda {

// Natural units; −∞: none.
__device__ __forceinline__ float sink_of(const DeviceAttention& p, int32_t head) {
  return p.scoring.sinks == nullptr ? negative_infinity : p.scoring.sinks[head];
}

class ScoreRow {
 public:
  // Keys from `last_key` on are not the row's, whatever its window says.
  __device__ __forceinline__ ScoreRow(const DeviceAttention& p, const Sequence& sequence, int64_t batch,
                                      int32_t head, int64_t step, int32_t last_key)
      : position_(sequence.query_offset + step),
        mask_(batch * p.scoring.mask.batch_stride + head * p.scoring.mask.head_stride +
              step * p.scoring.mask.query_stride),
        first_(key_at(position_ - p.scoring.window.left, last_key)),
        last_(key_at(position_ + p.scoring.window.right + 1, last_key)),
        slope_(p.scoring.alibi_slopes == nullptr ? 0 : p.scoring.alibi_slopes[head]) {}
  // A row without a query attends nothing.
  __device__ __forceinline__ ScoreRow() : position_(0), mask_(0), first_(0), last_(0), slope_(0) {}

  __device__ __forceinline__ static int32_t key_at(int64_t key, int32_t last_key) {
    return key < 0 ? 0 : key > last_key ? last_key : static_cast<int32_t>(key);
  }

  __device__ __forceinline__ static float capped(const DeviceAttention& p, float product) {
    const float score = product * p.scoring.scale;
    return p.scoring.softcap > 0 ? p.scoring.softcap * tanh(score * (1 / p.scoring.softcap)) : score;
  }

  // As far as windows and lengths go.
  __device__ __forceinline__ bool in_range(int32_t key) const { return key >= first_ && key < last_; }

  // What ALiBi adds.
  __device__ __forceinline__ float slope_at(int32_t key) const {
    return slope_ * static_cast<float>(key - position_);
  }

  // With ALiBi and the mask, and −∞ where the row may not attend the key.
  __device__ __forceinline__ float biased(const DeviceAttention& p, float score, int32_t key) const {
    if (!in_range(key)) return negative_infinity;
    if (p.scoring.alibi_slopes != nullptr) score += slope_at(key);
    if (p.scoring.mask.data == nullptr) return score;
    const float bias = mask_of(p, key);
    return bias == negative_infinity ? bias : score + bias;  // NaN + −∞ would be NaN
  }

 private:
  __device__ __forceinline__ float mask_of(const DeviceAttention& p, int32_t key) const {
    float value = 0;
    with_mask_element(p.scoring.mask.type, [&](auto element) {
      using Element = decltype(element);
      value = mask_value(
          static_cast<const Element*>(p.scoring.mask.data)[mask_ + key * p.scoring.mask.key_stride]);
    });
    return value;
  }

  int64_t position_, mask_;
  int32_t first_, last_;
  float slope_;
};

}  // namespace heed::cuda
