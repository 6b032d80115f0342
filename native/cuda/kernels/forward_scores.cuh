// What happens to scores in attention_forward between Q Kᵀ and softmax. A variant is
//
//   next_tile(key)           the first key, from this one on, whose tile has something to attend
//   factor()                 scores times it are in log2 units
//   excludes(first_key)      whether some row of the block may not attend some key of a tile
//   apply(scores, first_key) scores of a tile as softmax takes them, −∞ where a key may not be attended
//   attends(i, key)          whether the lane's i-th row attends a key
#pragma once

#include <cstdint>

#include "cuda/kernels/forward_parameters.cuh"
#include "cuda/kernels/score_row.cuh"
#include "cuda/kernels/special_values.cuh"
#include "cuda/kernels/tanh.cuh"

namespace heed::cuda {

// Causality, windows and lengths: nothing at all is done to a tile that lies inside of them.
template <class Scores, class Sizes>
class PlainScores {
 public:
  __device__ __forceinline__ PlainScores(const ForwardParameters& p, const ForwardBlock<Sizes>& block,
                                         int warp_row)
      : p_(p.attention),
        block_(block),
        position_(block.sequence.query_offset + block.first_row + warp_row + Scores::row(0)),
        first_(near_keys(position_ - p_.scoring.window.left)),
        last_(near_keys(position_ + p_.scoring.window.right + 1)) {}

  __device__ __forceinline__ int32_t next_tile(int32_t key) const { return key; }
  __device__ __forceinline__ float factor() const { return p_.scoring.scale * log2_e; }
  __device__ __forceinline__ bool excludes(int32_t first_key) const { return !is_inside(first_key); }
  __device__ __forceinline__ void apply(Scores& scores, int32_t first_key) const {
    if (!is_inside(first_key)) exclude(scores, first_key);
  }
  __device__ __forceinline__ bool attends(int i, int32_t key) const {
    return key >= first_ + row_of(i) && key < last_of(i);
  }

 protected:
  __device__ __forceinline__ bool is_inside(int32_t first_key) const {
    return first_key >= block_.inner_first_key && first_key + Sizes::keys <= block_.inner_last_key;
  }

  __device__ __forceinline__ void exclude(Scores& scores, int32_t first_key) const {
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) {
      const int32_t first = first_ + row_of(i) - first_key, last = last_of(i) - first_key;
#pragma unroll
      for (int j = 0; j < Scores::elements; ++j) {
        const int32_t column = Scores::column(j);
        if (column < first || column >= last) scores.at(i, j) = negative_infinity;
      }
    }
  }

  // The lane's i-th row, counted from its first.
  static __device__ __forceinline__ int32_t row_of(int i) {
    return Scores::row(i) - Scores::row(0);
  }

  const DeviceAttention& p_;
  const ForwardBlock<Sizes>& block_;
  int64_t position_;  // of the lane's first row

 private:
  // Farther than a tile from all keys it does not matter how far.
  static __device__ __forceinline__ int32_t near_keys(int64_t key) {
    constexpr int32_t low = -4096, high = INT32_MAX - 4096;
    return key < low ? low : key > high ? high : static_cast<int32_t>(key);
  }
  __device__ __forceinline__ int32_t last_of(int i) const {
    const int32_t last = last_ + row_of(i);
    return last < block_.last_key ? last : block_.last_key;
  }

  int32_t first_, last_;  // of the keys that the lane's first row may attend
};

// Softcap and ALiBi as well, and scales that are not positive.
template <class Scores, class Sizes>
class BiasedScores : public PlainScores<Scores, Sizes> {
 public:
  using Plain = PlainScores<Scores, Sizes>;

  __device__ __forceinline__ BiasedScores(const ForwardParameters& p, const ForwardBlock<Sizes>& block,
                                          int warp_row)
      : Plain(p, block, warp_row),
        slope_(p_.scoring.alibi_slopes == nullptr ? 0 : p_.scoring.alibi_slopes[block.head] * log2_e) {}

  // Masks make scores beyond 2^30. A product with a factor is not rounded, the maximum is, and there they
  // would lie too far apart.
  __device__ __forceinline__ float factor() const { return 1; }
  __device__ __forceinline__ void apply(Scores& scores, int32_t first_key) const {
    bias(scores, first_key);
    Plain::apply(scores, first_key);
  }

 protected:
  __device__ __forceinline__ void bias(Scores& scores, int32_t first_key) const {
    if (p_.scoring.softcap > 0) {
      each(scores, [&](float& score) { score = ScoreRow::capped(p_, score) * log2_e; });
    } else {
      each(scores, [factor = p_.scoring.scale * log2_e](float& score) { score *= factor; });
    }
    if (p_.scoring.alibi_slopes != nullptr) add_slopes(scores, first_key);
  }
  using Plain::p_;
  using Plain::row_of;

 private:
  using Plain::position_;

  template <class F>
  static __device__ __forceinline__ void each(Scores& scores, F f) {
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) {
#pragma unroll
      for (int j = 0; j < Scores::elements; ++j) f(scores.at(i, j));
    }
  }

  __device__ __forceinline__ void add_slopes(Scores& scores, int32_t first_key) const {
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) {
      const auto distance = static_cast<float>(first_key - position_ - row_of(i));
#pragma unroll
      for (int j = 0; j < Scores::elements; ++j)
        scores.at(i, j) += slope_ * (distance + static_cast<float>(Scores::column(j)));
    }
  }

  float slope_;  // in log2 units
};

// What the keys of a tile are to rows, found out by the lanes together, from weights that are multiplied as
// elements of T. For what happens rarely: little code, and few registers.
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
  // Of the lane's i-th row; all lanes ask for the same key.
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
