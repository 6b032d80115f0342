// How the product q·k of a query row and a key becomes a score: each rule in one place.
//
//   1. scale    score = scale · q·k, times the factors of query and key for cosines
//   2. softcap  score = softcap · tanh(score / softcap)
//   3. ALiBi    score = score + slope · (key − position), or slope · −|key − position|
//   4. mask     score = score + element, and −∞ where that excludes the key (mask_element.cuh)
//   5. range    score = −∞ beyond the row's window, causality included, and beyond its keys (key_range.h)
//
// attention_rows uses ScoreRow for every step of one score. attention_decode and attention_forward have a
// tile of scores in registers: apply_score_rules applies one rule after the other to all of them, so that a
// kernel tests once per tile whether a rule is present, adds the mask as the kernel reads it, and ends with
// exclude_out_of_range. The kernels' variants provide what these functions need to know of rows:
// attention_decode has a ScoreRow for each row; attention_forward, for lack of registers, has one position
// and one range for all rows of a lane.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/attention_parameters.h"
#include "cuda/common/key_range.h"
#include "cuda/common/mask_element.cuh"
#include "cuda/common/online_softmax.cuh"
#include "cuda/device/thread.cuh"

namespace heed::cuda {

// The relative error is below 1e-6 everywhere.
__device__ __forceinline__ float tanh(float x) {
  const float magnitude = fabsf(x), square = x * x;
  // Near 0 the other formula would cancel, so the first terms of the continued fraction are used.
  const float small =
      x *
      (1 + square * (-0.33333333f + square * (0.13333333f + square * (-0.05396825f + square * 0.02186949f))));
  const float large = 1 - 2 * thread::reciprocal(1 + thread::exp2(magnitude * 2.885390081777927f));
  return magnitude < 0.25f ? small : copysignf(large, x);
}

// The factor of a query; 0 beyond the last.
__device__ __forceinline__ float query_factor_of(const DeviceAttention& p, const Sequence& sequence,
                                                 int64_t batch, int32_t head, int64_t step) {
  if (step >= sequence.query_steps) return 0;
  return p.factors.query[p.factors.first[batch].query + head * sequence.query_steps + step];
}

// The factors of the keys of a head.
class KeyFactors {
 public:
  __device__ __forceinline__ KeyFactors(const DeviceAttention& p, const Sequence& sequence, int64_t batch,
                                        int32_t key_head)
      : factors_(p.factors.key == nullptr
                     ? nullptr
                     : p.factors.key + p.factors.first[batch].key + key_head * sequence.key_steps),
        keys_(static_cast<int32_t>(sequence.key_steps)) {}

  __device__ __forceinline__ bool exist() const { return factors_ != nullptr; }
  // 0 beyond the last.
  __device__ __forceinline__ float of(int32_t key) const { return key < keys_ ? factors_[key] : 0; }

 private:
  const float* factors_;
  int32_t keys_;
};

// Of keys with scales, which no cosine compares: takes no registers.
class NoKeyFactors {
 public:
  __device__ __forceinline__ NoKeyFactors(const DeviceAttention&, const Sequence&, int64_t, int32_t) {}
  static __device__ __forceinline__ constexpr bool exist() { return false; }
  static __device__ __forceinline__ constexpr float of(int32_t) { return 1; }
};

// Natural units; −∞ if there is no sink.
__device__ __forceinline__ float sink_of(const DeviceAttention& p, int32_t head) {
  return p.scoring.sinks == nullptr ? negative_infinity : p.scoring.sinks[head];
}

// The slope of ALiBi, in natural units; 0 if there is none.
__device__ __forceinline__ float slope_of(const DeviceAttention& p, int64_t batch, int32_t head) {
  const Scoring& scoring = p.scoring;
  return scoring.alibi_slopes == nullptr ? 0
                                         : scoring.alibi_slopes[batch * scoring.alibi_batch_stride + head];
}

// What ALiBi multiplies with the slope, for a key that many steps ahead of the row's position.
__device__ __forceinline__ float alibi_distance(const DeviceAttention& p, float ahead) {
  return p.scoring.alibi_absolute ? -fabsf(ahead) : ahead;
}

// Rules 1 and 2, in natural units.
__device__ __forceinline__ float capped_score(const DeviceAttention& p, float product) {
  const float score = product * p.scoring.scale;
  return p.scoring.softcap > 0 ? p.scoring.softcap * tanh(score * (1 / p.scoring.softcap)) : score;
}

// One query row.
class ScoreRow {
 public:
  // Keys from `last_key` on do not belong to the row, whatever its window.
  __device__ __forceinline__ ScoreRow(const DeviceAttention& p, const Sequence& sequence, int64_t batch,
                                      int32_t head, int64_t step, int32_t last_key)
      : position_(sequence.query_offset + step),
        mask_(batch * p.scoring.mask.batch_stride + head * p.scoring.mask.head_stride +
              step * p.scoring.mask.query_stride),
        keys_(keys_of_row(p.scoring.window, position_, last_key)),
        slope_(slope_of(p, batch, head)),
        factor_(p.factors.query == nullptr ? 1 : query_factor_of(p, sequence, batch, head, step)) {}
  // A row without a query attends nothing.
  __device__ __forceinline__ ScoreRow() : position_(0), mask_(0), slope_(0), factor_(0) {}

  __device__ __forceinline__ bool in_range(int32_t key) const { return keys_.contains(key); }

  // Of the query.
  __device__ __forceinline__ float factor() const { return factor_; }

  // The number that ALiBi adds, in natural units.
  __device__ __forceinline__ float alibi(const DeviceAttention& p, int32_t key) const {
    return slope_ * alibi_distance(p, static_cast<float>(key - position_));
  }

  // Rules 3 to 5, in natural units.
  __device__ __forceinline__ float biased(const DeviceAttention& p, float score, int32_t key) const {
    if (!in_range(key)) return negative_infinity;
    if (p.scoring.alibi_slopes != nullptr) score += alibi(p, key);
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
  KeyRange keys_;
  float slope_, factor_;
};

// Calls f(score, the lane's row, column) for each score.
template <class Scores, class F>
__device__ __forceinline__ void each_score(Scores& scores, F f) {
#pragma unroll
  for (int i = 0; i < Scores::rows; ++i) {
#pragma unroll
    for (int j = 0; j < Scores::elements; ++j) f(scores.at(i, j), i, Scores::column(j));
  }
}

// Applies rules 1 to 3 to a lane's scores of neighbouring keys, from `first_key` on: converts products to
// scores in log2 units. `rows` has
//
//   has_factors()       whether products are multiplied by factors of queries and keys
//   query_factor(i)     the factor of the lane's i-th row
//   key_factor(key)     the factor of a key
//   scaled(p, product)  scale times the product, in log2 units
//   alibi(i, key, j)    the number that ALiBi adds to the lane's i-th row at key + j, in log2 units
template <class Scores, class Rows>
__device__ __forceinline__ void apply_score_rules(Scores& scores, const DeviceAttention& p, const Rows& rows,
                                                  int32_t first_key) {
  if (rows.has_factors()) {
    float query[Scores::rows];
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) query[i] = rows.query_factor(i);
#pragma unroll
    for (int j = 0; j < Scores::elements; ++j) {
      const float factor = rows.key_factor(first_key + Scores::column(j));
#pragma unroll
      for (int i = 0; i < Scores::rows; ++i) scores.at(i, j) *= query[i] * factor;
    }
  }
  if (p.scoring.softcap > 0) {
    each_score(scores, [&](float& score, int, int) { score = capped_score(p, score) * log2_e; });
  } else {
    each_score(scores, [&](float& score, int, int) { score = rows.scaled(p, score); });
  }
  if (p.scoring.alibi_slopes != nullptr) {
    each_score(scores, [&](float& score, int i, int column) { score += rows.alibi(i, first_key, column); });
  }
}

// Applies rule 5: `rows.in_range(i, key)` says whether the lane's i-th row may attend a key.
template <class Scores, class Rows>
__device__ __forceinline__ void exclude_out_of_range(Scores& scores, const Rows& rows, int32_t first_key) {
  each_score(scores, [&](float& score, int i, int column) {
    if (!rows.in_range(i, first_key + column)) score = negative_infinity;
  });
}

}  // namespace heed::cuda
