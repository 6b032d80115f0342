// Masks in attention_forward.
#pragma once

#include <cstdint>

#include "cuda/attention_forward/mask_share.cuh"
#include "cuda/attention_forward/mask_tiles.h"
#include "cuda/attention_forward/variants.cuh"
#include "cuda/common/mask_element.cuh"

namespace heed::cuda {

// Skips tiles that a mask excludes fully, and reads the mask only in partly excluded tiles. There may be
// none.
template <class Scores, class Sizes>
class MaskedScores : public BiasedScores<Scores, Sizes> {
  using Biased = BiasedScores<Scores, Sizes>;

 public:
  static constexpr bool reads_masks = true;

  __device__ __forceinline__ MaskedScores(const ForwardParameters& p, const ForwardBlock<Sizes>& block,
                                          int warp_row)
      : Biased(p, block, warp_row), aligned_(p.mask_aligned) {
    // Rows that do not exist use the mask of the last one; a warp may have no rows.
    const int32_t last = block.rows - 1, row = warp_row < last ? warp_row : last;
    last_row_ = last - row;
    warp_mask_ = block.batch * p_.scoring.mask.batch_stride + block.head * p_.scoring.mask.head_stride +
                 (block.first_row + row) * p_.scoring.mask.query_stride;
    tiles_ = p.mask_tiles.data + block.batch * p.mask_tiles.batch_stride +
             block.head * p.mask_tiles.head_stride + block.first_row / Sizes::rows * p.mask_tiles.row_stride;
  }

  __device__ __forceinline__ int32_t next_tile(int32_t key) const {
    while (key < block_.keys.last && tile_at(key) == MaskTile::nothing) key += Sizes::keys;
    return key;
  }
  __device__ __forceinline__ bool excludes(int32_t first_key) const {
    return tile_at(first_key) != MaskTile::everything || Biased::excludes(first_key);
  }

  __device__ __forceinline__ void apply(Scores& scores, int32_t first_key) const {
    apply_score_rules(scores, p_, *this, first_key);
    if (tile_at(first_key) != MaskTile::everything) {
      if (p_.scoring.mask.key_stride != 1) {
        add_strided(scores, first_key);
      } else if (p_.scoring.mask.type != DType::boolean) {
        add_neighbours(scores, first_key);
      } else if (p_.scoring.mask.query_stride != 0) {
        exclude_by_bits(scores, first_key);
      } else {
        exclude_by_common_bits(scores, first_key);
      }
    }
    Biased::Plain::apply(scores, first_key);
  }

  __device__ __forceinline__ bool attends(int i, int32_t key) const {
    if (!Biased::attends(i, key)) return false;
    if (tile_at(key) == MaskTile::everything) return true;
    bool attended = true;
    with_mask_element(p_.scoring.mask.type, [&](auto element) {
      attended =
          mask_value(mask_row<decltype(element)>(i)[key * p_.scoring.mask.key_stride]) != negative_infinity;
    });
    return attended;
  }

 private:
  using Biased::block_;
  using Biased::p_;

  __device__ __forceinline__ MaskTile tile_at(int32_t key) const { return tiles_[key / Sizes::keys]; }

  // The number of keys of a tile that have mask elements; keys beyond the last are excluded later.
  __device__ __forceinline__ int32_t masked_keys(int32_t first_key) const {
    return block_.keys.last - first_key;
  }

  static __device__ __forceinline__ void exclude_others(Scores& scores, int i, int begin, uint32_t kept) {
#pragma unroll
    for (int j = 0; j < Scores::elements; ++j) {
      const int column = Scores::column(j) - begin;
      if (column >= 0 && column < 32 && (kept >> column & 1) == 0) scores.at(i, j) = negative_infinity;
    }
  }

  // The lanes read a row of a boolean mask together, 32 keys at a time, and share the result.
  __device__ __forceinline__ void exclude_by_bits(Scores& scores, int32_t first_key) const {
    constexpr int at_once = 8;  // rows of the warp: the i-th row of each lane
    const auto lane = static_cast<int32_t>(thread::lane());
    const auto* mask = static_cast<const uint8_t*>(p_.scoring.mask.data) + warp_mask_ + first_key + lane;
    const int32_t left = masked_keys(first_key) - lane;
#pragma unroll
    for (int i = 0; i < Scores::rows; ++i) {
#pragma unroll
      for (int begin = 0; begin < Sizes::keys; begin += 32) {
        bool keep[at_once];
#pragma unroll
        for (int r = 0; r < at_once; ++r) {
          const int32_t row = i * at_once + r < last_row_ ? i * at_once + r : last_row_;
          keep[r] = begin + lane < Sizes::keys && begin < left &&
                    mask[row * p_.scoring.mask.query_stride + begin] != 0;
        }
        uint32_t kept = 0;
#pragma unroll
        for (int r = 0; r < at_once; ++r) {
          const uint32_t bits = warp::ballot(keep[r]);
          if (Scores::row(0) == r) kept = bits;
        }
        exclude_others(scores, i, begin, kept);
      }
    }
  }

  // The same if all rows have the same mask.
  __device__ __forceinline__ void exclude_by_common_bits(Scores& scores, int32_t first_key) const {
    const auto lane = static_cast<int32_t>(thread::lane());
    const auto* mask = static_cast<const uint8_t*>(p_.scoring.mask.data) + warp_mask_ + first_key + lane;
    const int32_t left = masked_keys(first_key) - lane;
#pragma unroll
    for (int begin = 0; begin < Sizes::keys; begin += 32) {
      const uint32_t kept = warp::ballot(begin + lane < Sizes::keys && begin < left && mask[begin] != 0);
#pragma unroll
      for (int i = 0; i < Scores::rows; ++i) exclude_others(scores, i, begin, kept);
    }
  }

  // Adds a numeric mask.
  __device__ __forceinline__ void add_neighbours(Scores& scores, int32_t first_key) const {
    const int32_t count = masked_keys(first_key);
    with_mask_element(p_.scoring.mask.type, [&](auto element) {
      using Element = decltype(element);
      if constexpr (sizeof(Element) > 1) {
        using Share = MaskShare<Scores, Element>;
#pragma unroll
        for (int i = 0; i < Scores::rows; ++i) {
          const Element* row = mask_row<Element>(i) + first_key;
#pragma unroll
          for (int j = 0; j < Scores::elements; j += Share::size) {
            const auto biases = Share::read(row, j, count, aligned_);
#pragma unroll
            for (int e = 0; e < Share::size; ++e)
              scores.at(i, j + e) = masked(scores.at(i, j + e), mask_value(biases[e]));
          }
        }
      }
    });
  }

  // Adds any mask, one element at a time.
  __device__ __forceinline__ void add_strided(Scores& scores, int32_t first_key) const {
    const int32_t left = masked_keys(first_key) - Scores::column(0);
    const int64_t stride = p_.scoring.mask.key_stride;
    with_mask_element(p_.scoring.mask.type, [&](auto element) {
      // Increments pointers: the addresses of all rows and columns would take too many registers.
      const auto* row = mask_row<decltype(element)>(0) + (first_key + Scores::column(0)) * stride;
#pragma unroll
      for (int i = 0; i < Scores::rows; ++i) {
        const auto* at = row;
#pragma unroll
        for (int j = 0; j < Scores::elements; ++j) {
          const bool exists = Scores::column(j) - Scores::column(0) < left;
          scores.at(i, j) = masked(scores.at(i, j), exists ? mask_value(*at) : 0);
          if (j + 1 < Scores::elements) at += (Scores::column(j + 1) - Scores::column(j)) * stride;
        }
        // Rows that do not exist use an existing one.
        if (Scores::row(i + 1) <= last_row_)
          row += (Biased::row_of(i + 1) - Biased::row_of(i)) * p_.scoring.mask.query_stride;
      }
    });
  }

  template <class Element>
  __device__ __forceinline__ const Element* mask_row(int i) const {
    const int32_t row = Scores::row(i) < last_row_ ? Scores::row(i) : last_row_;
    return static_cast<const Element*>(p_.scoring.mask.data) + warp_mask_ +
           row * p_.scoring.mask.query_stride;
  }

  const MaskTile* tiles_;  // of the block's rows
  bool aligned_;
  int32_t last_row_;   // the warp's last existing row
  int64_t warp_mask_;  // offset of the mask of its first row
};

}  // namespace heed::cuda
