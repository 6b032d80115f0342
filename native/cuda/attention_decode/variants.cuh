// Processes scores in attention_decode between Q Kᵀ and softmax. Each feature costs one test per tile of
// whether it is present.
#pragma once

#include <cstdint>

#include "cuda/attention_decode/masks.cuh"
#include "cuda/attention_decode/parameters.cuh"
#include "cuda/common/score.cuh"

namespace heed::cuda {

template <class Scores, class Mask, class Factors>
class DecodeScores {
 public:
  __device__ __forceinline__ DecodeScores(const DecodeParameters& p, const DecodeBlock& block,
                                          const Mask& mask)
      : p_(p.attention),
        mask_(mask),
        key_factors_(p.attention, block.entry.sequence, block.entry.batch, block.key_head) {
    const Sequence& sequence = block.entry.sequence;
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) {
      const DecodeQuery query(p, block, Scores::row(i));
      if (query.exists) {
        rows_[i] = ScoreRow(p_, sequence, block.entry.batch, query.head, query.step, block.last_key);
      }
    }
    inner_ = keys_of_every_row(p_.scoring.window, block.first_position, block.last_position, block.last_key);
  }

  // Whether some row may not attend some of `keys` keys.
  __device__ __forceinline__ bool excludes(int32_t first_key, int keys) const {
    return mask_.exists() || !inner_.covers(first_key, keys);
  }

  // Converts the products of a tile's keys from `from` on to scores in log2 units.
  __device__ __forceinline__ void apply(Scores& scores, int tile, int32_t first_key, int from) const {
    const int32_t key = first_key + from;
    apply_score_rules(scores, p_, *this, key);
    if (mask_.exists()) mask_.add(scores, tile, from);
    if (!inner_.covers(key, Scores::columns)) exclude_out_of_range(scores, *this, key);
  }

  __device__ __forceinline__ bool has_factors() const {
    return key_factors_.exist();
  }
  __device__ __forceinline__ float query_factor(int i) const {
    return rows_[i].factor();
  }
  __device__ __forceinline__ float key_factor(int32_t key) const {
    return key_factors_.of(key);
  }
  __device__ __forceinline__ float scaled(const DeviceAttention& p, float product) const {
    return product * p.scoring.scale * log2_e;
  }
  __device__ __forceinline__ float alibi(int i, int32_t first_key, int column) const {
    return rows_[i].alibi(p_, first_key + column) * log2_e;
  }
  __device__ __forceinline__ bool in_range(int i, int32_t key) const {
    return rows_[i].in_range(key);
  }

  // Whether the lane's i-th row attends a key of the tile.
  __device__ __forceinline__ bool attends(int i, int tile, int32_t first_key, int key) const {
    return rows_[i].in_range(first_key + key) && (!mask_.exists() || mask_.keeps(tile, Scores::row(i), key));
  }

 private:
  const DeviceAttention& p_;
  const Mask& mask_;
  Factors key_factors_;
  KeyRange inner_;  // keys that every row of the block may attend
  ScoreRow rows_[Scores::rows];
};

}  // namespace heed::cuda
