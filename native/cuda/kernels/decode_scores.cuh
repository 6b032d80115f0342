// What happens to scores in attention_decode between Q Kᵀ and softmax. Each feature costs a look at whether
// it is there, once for a tile.
#pragma once

#include <cstdint>

#include "cuda/kernels/decode_masks.cuh"
#include "cuda/kernels/decode_parameters.cuh"
#include "cuda/kernels/score_row.cuh"

namespace heed::cuda {

template <class Scores, class Mask>
class DecodeScores {
 public:
  __device__ __forceinline__ DecodeScores(const DecodeParameters& p, const DecodeBlock& block,
                                          const Mask& mask)
      : p_(p.attention), mask_(mask) {
    const Sequence& sequence = block.entry.sequence;
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) {
      const DecodeQuery query(p, block, Scores::row(i));
      if (query.exists) {
        rows_[i] = ScoreRow(p_, sequence, block.entry.batch, query.head, query.step, block.last_key);
      }
    }
    const int32_t group = p_.query_heads / p_.key_heads;
    const int64_t pairs = sequence.query_steps * group, end = int64_t{block.first_row} + decode_rows;
    const int64_t first_position = sequence.query_offset + block.first_row / group;
    const int64_t last_position = sequence.query_offset + ((end < pairs ? end : pairs) - 1) / group;
    inner_first_ = ScoreRow::key_at(last_position - p_.scoring.window.left, block.last_key);
    inner_last_ = ScoreRow::key_at(first_position + p_.scoring.window.right + 1, block.last_key);
  }

  // Whether some row may not attend some of so many keys.
  __device__ __forceinline__ bool excludes(int32_t first_key, int keys) const {
    return mask_.exists() || !is_inside(first_key, keys);
  }

  // Those of a tile's keys from `from` on. Products come in, scores in log2 units leave.
  __device__ __forceinline__ void apply(Scores& scores, int tile, int32_t first_key, int from) const {
    const int32_t key = first_key + from;
    each(scores, [&](float& score, int, int) { score = ScoreRow::capped(p_, score) * log2_e; });
    if (p_.scoring.alibi_slopes != nullptr) {
      each(scores,
           [&](float& score, int i, int column) { score += rows_[i].slope_at(key + column) * log2_e; });
    }
    if (mask_.exists()) mask_.add(scores, tile, from);
    if (!is_inside(key, Scores::columns)) {
      each(scores, [&](float& score, int i, int column) {
        if (!rows_[i].in_range(key + column)) score = negative_infinity;
      });
    }
  }

  // Whether the lane's i-th row attends a tile's key.
  __device__ __forceinline__ bool attends(int i, int tile, int32_t first_key, int key) const {
    return rows_[i].in_range(first_key + key) && (!mask_.exists() || mask_.keeps(tile, Scores::row(i), key));
  }

 private:
  // f(score, the lane's row, column)
  template <class F>
  static __device__ __forceinline__ void each(Scores& scores, F f) {
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) {
#pragma unroll
      for (int j = 0; j < Scores::elements; ++j) f(scores.at(i, j), i, Scores::column(j));
    }
  }
  __device__ __forceinline__ bool is_inside(int32_t first_key, int keys) const {
    return first_key >= inner_first_ && first_key + keys <= inner_last_;
  }

  const DeviceAttention& p_;
  const Mask& mask_;
  int32_t inner_first_, inner_last_;
  ScoreRow rows_[Scores::rows];
};

}  // namespace heed::cuda
