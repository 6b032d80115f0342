// The stages between QKᵀ and softmax. Each is a function over a score tile; a block lists the stages that its
// problem needs, so that features never enter the matrix loops.
#pragma once

#include "cpu/kernels/mask_type.h"
#include "cpu/kernels/score_tile.h"

namespace heed::cpu::HEED_ISA {

using Stage = void (*)(const ScoreTile& tile);
constexpr int most_stages = 2;

// Takes scores divided by the cap and leaves capped scores in log2 units.
static inline void cap_scores(const ScoreTile& tile) {
  const Vec cap = splat(tile.parameters->scoring.softcap * log2_e);
  for (int64_t key = tile.first_key; key < tile.last_key; ++key) {
    for (int64_t v = tile.first_vector; v < tile.last_vector; ++v)
      store(tile.at(key, v), tanh(load(tile.at(key, v))) * cap);
  }
}

// What ALiBi multiplies a slope by, for the distance from a query to a key.
struct SignedDistance {
  static Vec of(Vec distance) { return distance; }
};
struct AbsoluteDistance {
  static Vec of(Vec distance) {
    const IntVec before = distance < Vec{};
    return before ? distance : -distance;
  }
};

template <class Distance>
static inline void add_alibi(const ScoreTile& tile) {
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
    Vec distance;
    for (int i = 0; i < lanes; ++i) {
      distance[i] = static_cast<float>(tile.first_key - tile.group->position[v * lanes + i]);
    }
    const Vec slope = load(tile.group->slope + v * lanes) * splat(log2_e);
    for (int64_t key = tile.first_key; key < tile.last_key; ++key, distance += 1.0f) {
      store(tile.at(key, v), multiply_add(slope, Distance::of(distance), load(tile.at(key, v))));
    }
  }
}

// Sets −∞ for keys outside a row's own range. Visits only keys that some row does not attend.
static inline void exclude_out_of_range(const ScoreTile& tile) {
  const RowGroup& group = *tile.group;
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
    IntVec first, last;  // relative to the tile
    const int64_t keys = tile.keys();
    for (int i = 0; i < lanes; ++i) {
      const int64_t f = group.first[v * lanes + i] - tile.first_key,
                    l = group.last[v * lanes + i] - tile.first_key;
      first[i] = static_cast<int32_t>(f < 0 ? 0 : f > keys ? keys : f);
      last[i] = static_cast<int32_t>(l < 0 ? 0 : l > keys ? keys : l);
    }
    for (int64_t key = tile.first_key; key < tile.last_key; ++key) {
      if (key >= group.shared_keys.first && key < group.shared_keys.last) key = group.shared_keys.last;
      if (key >= tile.last_key) break;
      const IntVec k = splat_int(static_cast<int32_t>(key - tile.first_key));
      const IntVec attended = (k >= first) & (k < last);
      store(tile.at(key, v), attended ? load(tile.at(key, v)) : splat(-infinity));
    }
  }
}

// QKᵀ gives scores in log2 units, unless a cap follows.
static inline float query_factor(const AttentionParameters& p) {
  return p.scoring.softcap > 0 ? p.scoring.scale / p.scoring.softcap : p.scoring.scale * log2_e;
}

static inline int64_t list_stages(const AttentionParameters& p, Stage (&stages)[most_stages]) {
  int64_t count = 0;
  if (p.scoring.softcap > 0) stages[count++] = cap_scores;
  if (p.scoring.alibi_slopes)
    stages[count++] = p.scoring.alibi_absolute ? add_alibi<AbsoluteDistance> : add_alibi<SignedDistance>;
  return count;
}

template <class Type>
static inline bool add_mask_of(const ScoreTile& tile) {
  IntVec excluded{};
  const RowGroup& group = *tile.group;
  const int64_t stride = tile.parameters->scoring.mask.key_stride;
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
    const int64_t base = v * lanes;
    const int64_t rows = group.rows - base < lanes ? group.rows - base : lanes;
    int64_t key = tile.first_key;
    for (; stride == 1 && key + lanes <= tile.last_key; key += lanes) {
      Vec bias[lanes];
      for (int r = 0; r < lanes; ++r) {
        bias[r] = r < rows
                      ? Type::load(static_cast<const typename Type::Element*>(group.mask_row[base + r]) + key)
                      : Vec{};
      }
      transpose(bias);
      for (int i = 0; i < lanes; ++i) {
        float* at = tile.at(key + i, v);
        excluded |= bias[i] == splat(-infinity);
        store(at, biased(load(at), bias[i], log2_e));
      }
    }
    for (; key < tile.last_key; ++key) {
      Vec bias{};
      for (int r = 0; r < rows; ++r) {
        bias[r] =
            Type::get(static_cast<const typename Type::Element*>(group.mask_row[base + r])[key * stride]);
      }
      float* at = tile.at(key, v);
      excluded |= bias == splat(-infinity);
      store(at, biased(load(at), bias, log2_e));
    }
  }
  return any_lane(excluded);
}

// Returns whether some row does not attend some key.
static inline bool add_mask(const ScoreTile& tile) {
  return with_mask_type(tile.parameters->scoring.mask.type,
                        [&](auto type) { return add_mask_of<decltype(type)>(tile); });
}

// The same decisions for a single score, for the rare places that need them.
static inline bool attends(const ScoreTile& tile, int64_t row, int64_t key) {
  const RowGroup& group = *tile.group;
  if (key < group.first[row] || key >= group.last[row]) return false;
  const MaskView& mask = tile.parameters->scoring.mask;
  if (!mask.data) return true;
  return with_mask_type(mask.type, [&](auto type) {
    using Type = decltype(type);
    return Type::get(static_cast<const typename Type::Element*>(
               group.mask_row[row])[key * mask.key_stride]) != -infinity;
  });
}

}  // namespace heed::cpu::HEED_ISA
