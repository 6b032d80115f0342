// What happens to scores in attention_decode between Q Kᵀ and softmax.
#pragma once

#include <cstdint>

#include "cuda/kernels/decode_parameters.cuh"
#include "cuda/kernels/score_row.cuh"

namespace heed::cuda {

template <class Scores>
class DecodeScores {
 public:
  __device__ __forceinline__ DecodeScores(const DecodeParameters& p, const DecodeBlock& block)
      : p_(p.attention) {
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
    inner_first_ = ScoreRow::key_at(last_position - p_.window.left, block.last_key);
    inner_last_ = ScoreRow::key_at(first_position + p_.window.right + 1, block.last_key);
  }

  // Whether some row may not attend some key of a tile.
  template <int keys>
  __device__ __forceinline__ bool excludes(int32_t first_key) const {
    return p_.mask.data != nullptr || !is_inside(first_key, keys);
  }

  // `first_key` is the warp's. Products come in, scores in log2 units leave.
  __device__ __forceinline__ void apply(Scores& scores, int32_t first_key) const {
    const bool inside = is_inside(first_key, Scores::columns);
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) {
#pragma unroll
      for (int j = 0; j < Scores::elements; ++j) {
        const float score = ScoreRow::capped(p_, scores.at(i, j));
        scores.at(i, j) = rows_[i].biased(p_, score, first_key + Scores::column(j), inside) * log2_e;
      }
    }
  }

  __device__ __forceinline__ bool attends(int i, int32_t key) const {
    return rows_[i].attends(p_, key);
  }

 private:
  __device__ __forceinline__ bool is_inside(int32_t first_key, int keys) const {
    return first_key >= inner_first_ && first_key + keys <= inner_last_;
  }

  const AttentionParameters& p_;
  int32_t inner_first_, inner_last_;
  ScoreRow rows_[Scores::rows];
};

}  // namespace heed::cuda
