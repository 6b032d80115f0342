// Processes scores in attention_forward between Q Kᵀ and softmax. A variant has
//
//   next_tile(key)           the first key, from this one on, whose tile has a key to attend
//   factor()                 scores times it are in log2 units
//   excludes(first_key)      whether some row of the block may not attend some key of a tile
//   apply(scores, first_key) converts the scores of a tile for softmax, −∞ where a key may not be attended
//   attends(i, key)          whether the lane's i-th row attends a key
//   reads_masks              whether it needs tiles of a mask, if only to know that there is none
#pragma once

#include <cstdint>

#include "cuda/attention_forward/parameters.cuh"
#include "cuda/common/score.cuh"
#include "cuda/common/special_values.cuh"

namespace heed::cuda {

// Causality, windows and lengths: a tile inside all of them is left unchanged.
template <class Scores, class Sizes>
class PlainScores {
 public:
  static constexpr bool reads_masks = false;

  __device__ __forceinline__ PlainScores(const ForwardParameters& p, const ForwardBlock<Sizes>& block,
                                         int warp_row)
      : p_(p.attention),
        block_(block),
        position_(block.first_position() + warp_row + Scores::row(0)),
        first_(near_keys(position_ - p_.scoring.window.left)),
        last_(near_keys(position_ + p_.scoring.window.right + 1)) {}

  __device__ __forceinline__ int32_t next_tile(int32_t key) const { return key; }
  __device__ __forceinline__ float factor() const { return p_.scoring.scale * log2_e; }
  __device__ __forceinline__ bool excludes(int32_t first_key) const { return !is_inside(first_key); }
  __device__ __forceinline__ void apply(Scores& scores, int32_t first_key) const {
    if (!is_inside(first_key)) exclude_out_of_range(scores, *this, first_key);
  }
  __device__ __forceinline__ bool attends(int i, int32_t key) const { return in_range(i, key); }

  __device__ __forceinline__ bool in_range(int i, int32_t key) const {
    return key >= first_ + row_of(i) && key < last_of(i);
  }

 protected:
  __device__ __forceinline__ bool is_inside(int32_t first_key) const {
    return block_.inner.covers(first_key, Sizes::keys);
  }

  // The lane's i-th row, relative to its first.
  static __device__ __forceinline__ int32_t row_of(int i) { return Scores::row(i) - Scores::row(0); }

  const DeviceAttention& p_;
  const ForwardBlock<Sizes>& block_;
  int64_t position_;  // of the lane's first row

 private:
  // All rows of a lane belong to one head, at positions that differ by constants. So the range of its first
  // row represents all of them, where a KeyRange each would take two registers a row. It is not clamped to
  // the keys, since ranges of later rows are relative to it; beyond a tile from all keys, the distance does
  // not matter.
  static __device__ __forceinline__ int32_t near_keys(int64_t key) {
    constexpr int32_t low = -4096, high = INT32_MAX - 4096;
    return key < low ? low : key > high ? high : static_cast<int32_t>(key);
  }
  __device__ __forceinline__ int32_t last_of(int i) const {
    const int32_t last = last_ + row_of(i);
    return last < block_.keys.last ? last : block_.keys.last;
  }

  int32_t first_, last_;  // of the keys that the lane's first row may attend
};

// Adds factors of queries and keys, softcap, ALiBi and scales that are not positive.
template <class Scores, class Sizes>
class BiasedScores : public PlainScores<Scores, Sizes> {
 public:
  using Plain = PlainScores<Scores, Sizes>;

  __device__ __forceinline__ BiasedScores(const ForwardParameters& p, const ForwardBlock<Sizes>& block,
                                          int warp_row)
      : Plain(p, block, warp_row), slope_(slope_of(p_, block.batch, block.head) * log2_e) {}

  // Masks give scores beyond 2^30. Softmax does not round the product with a factor but rounds the maximum,
  // and at this magnitude the two would differ too much.
  __device__ __forceinline__ float factor() const { return 1; }
  __device__ __forceinline__ void apply(Scores& scores, int32_t first_key) const {
    apply_score_rules(scores, p_, *this, first_key);
    Plain::apply(scores, first_key);
  }

  // Factors are rarely there, and keep no registers.
  __device__ __forceinline__ bool has_factors() const { return this->p_.factors.key != nullptr; }
  __device__ __forceinline__ float query_factor(int i) const {
    const int64_t step = position_ - block_.sequence.query_offset + row_of(i);
    return query_factor_of(p_, block_.sequence, block_.batch, block_.head, step);
  }
  __device__ __forceinline__ float key_factor(int32_t key) const {
    return KeyFactors(p_, block_.sequence, block_.batch, block_.key_head).of(key);
  }
  __device__ __forceinline__ float scaled(const DeviceAttention& p, float product) const {
    return product * (p.scoring.scale * log2_e);
  }
  __device__ __forceinline__ float alibi(int i, int32_t first_key, int column) const {
    const auto distance = static_cast<float>(first_key - position_ - row_of(i));
    return slope_ * alibi_distance(p_, distance + static_cast<float>(column));
  }

 protected:
  using Plain::block_;
  using Plain::p_;
  using Plain::row_of;

 private:
  using Plain::position_;

  float slope_;  // in log2 units
};

// How the keys of a tile relate to rows; the lanes compute it together, from weights that are multiplied as
// elements of T. It is rarely needed, so it uses little code and few registers.
template <class T, class Scores>
class AttendedKeys {
 public:
  template <class Variant>
  __device__ __forceinline__ AttendedKeys(const Variant& variant, Scores& weights, int32_t first_key) {
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) {
      own_[i] = 0;
#pragma unroll
      for (int j = 0; j < Scores::elements; ++j)
        own_[i] |= weighs(thread::from_float<T>(weights.at(i, j))) ? weighing << j : 0u;
#pragma unroll 1
      for (int j = 0; j < Scores::elements; ++j)
        own_[i] |= variant.attends(i, first_key + Scores::column(j)) ? 1u << j : 0u;
    }
  }
  // For the lane's i-th row; all lanes ask for the same key.
  __device__ __forceinline__ Attendance of(int i, int key) const {
    const uint32_t bits =
        warp::shuffle(own_[i], static_cast<uint32_t>(Scores::lane_of(key))) >> Scores::element_of(key);
    return {(bits & 1) != 0, (bits & weighing) != 0};
  }

 private:
  static constexpr uint32_t weighing = 1u << 16;
  static_assert(Scores::elements <= 16, "two bits of a register are for each element");
  uint32_t own_[Scores::rows];
};

}  // namespace heed::cuda
