// Scores of one query row, keys along the lanes: for decoding and for recomputed rows. The stages between QKᵀ
// and softmax are those that score_stages.h applies to tiles.
#pragma once

#include "cpu/kernels/mask_type.h"
#include "cpu/kernels/rows_of_block.h"

namespace heed::cpu::HEED_ISA {

// Scores of keys [first_key, last_key), padded to whole vectors; the contents of the padding are overwritten.
struct ScoreRow {
  float* scores;
  int64_t first_key, last_key;
  const Row* row;
  const AttentionParameters* parameters;

  int64_t padded_keys() const { return (last_key - first_key + lanes - 1) / lanes * lanes; }
};

// tanh(score · before) · after, if scores are capped.
static inline void cap_row(const ScoreRow& row, float before, float after) {
  if (!(row.parameters->scoring.softcap > 0)) return;
  for (int64_t i = 0; i < row.padded_keys(); i += lanes)
    store(row.scores + i, tanh(load(row.scores + i) * before) * after);
}

// Adds ALiBi and mask, times `unit`: log2_e if scores are in log2 units, else 1. Returns whether the mask
// excludes a key.
static inline bool bias_row(const ScoreRow& row, float unit) {
  const AttentionParameters& p = *row.parameters;
  if (p.scoring.alibi_slopes) {
    const float slope = row.row->slope * unit;
    const int64_t position = row.row->origin.position;
    const bool absolute = p.scoring.alibi_absolute;
    for (int64_t key = row.first_key; key < row.last_key; ++key) {
      float& score = row.scores[key - row.first_key];
      const int64_t distance = absolute && key > position ? position - key : key - position;
      score = multiply_add(slope, static_cast<float>(distance), score);
    }
  }
  if (!p.scoring.mask.data) return false;
  return with_mask_type(p.scoring.mask.type, [&](auto type) {
    using Type = decltype(type);
    IntVec excluded{};
    const auto add = [&](Vec score, Vec bias) {
      excluded |= bias == splat(-infinity);
      return biased(score, bias, unit);
    };
    const auto* mask = static_cast<const typename Type::Element*>(row.row->mask);
    int64_t key = row.first_key;
    for (; p.scoring.mask.key_stride == 1 && key + lanes <= row.last_key; key += lanes) {
      float* at = row.scores + (key - row.first_key);
      store(at, add(load(at), Type::load(mask + key)));
    }
    for (; key < row.last_key; ++key) {
      float* at = row.scores + (key - row.first_key);
      *at = add(splat(*at), splat(Type::get(mask[key * p.scoring.mask.key_stride])))[0];
    }
    return any_lane(excluded);
  });
}

// Sets −∞ for keys that the row does not attend and for the padding.
static inline void exclude_from_row(const ScoreRow& row) {
  const KeyRange keys = row.row->keys;
  int64_t key = row.first_key;
  for (; key < keys.first && key < row.last_key; ++key) row.scores[key - row.first_key] = -infinity;
  if (key < keys.last) key = keys.last < row.last_key ? keys.last : row.last_key;
  for (; key < row.first_key + row.padded_keys(); ++key) row.scores[key - row.first_key] = -infinity;
}

// The online softmax of a row: converts scores to weights and updates `maximum` and `sum`. Returns the factor
// for older sums.
static inline float softmax_row(const ScoreRow& row, float& maximum_score, float& sum) {
  Vec highest = splat(maximum_score);
  for (int64_t i = 0; i < row.padded_keys(); i += lanes) highest = maximum(load(row.scores + i), highest);
  const float before = maximum_score;
  maximum_score = horizontal_maximum(highest);
  // A row without keys so far subtracts 0, which avoids −∞ − −∞.
  const float reference = maximum_score == -infinity ? 0 : maximum_score;
  Vec weights{};
  for (int64_t i = 0; i < row.padded_keys(); i += lanes) {
    const Vec weight = exp2(load(row.scores + i) - reference);
    store(row.scores + i, weight);
    weights += weight;
  }
  const float decay = exp2(splat(before - reference))[0];
  sum = multiply_add(sum, decay, horizontal_sum(weights));
  return decay;
}

// The same decision for a single key, for the rare places that need it.
static inline bool attends(const ScoreRow& row, int64_t key) {
  if (key < row.row->keys.first || key >= row.row->keys.last) return false;
  const MaskView& mask = row.parameters->scoring.mask;
  if (!mask.data) return true;
  return with_mask_type(mask.type, [&](auto type) {
    using Type = decltype(type);
    const auto* elements = static_cast<const typename Type::Element*>(row.row->mask);
    return Type::get(elements[key * mask.key_stride]) != -infinity;
  });
}

}  // namespace heed::cpu::HEED_ISA
