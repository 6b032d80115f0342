// Local-p (Luong et al., 2015): weights are multiplied by exp(−(j − c)² / 2σ²), σ = D/2, around a center c
// predicted for the query. With t = (j − c) / D this is exp(−2 t²); keys with |t| > 1 lie outside the window.
#pragma once

#include "cpu/kernels/row_group.h"
#include "cpu/kernels/score_row.h"
#include "cpu/kernels/score_tile.h"

namespace heed::cpu::HEED_ISA {

static inline Vec bell(Vec t) {
  return exp2(t * t * splat(-2 * log2_e));
}

// Multiplies the weights of a tile, whose sums have already been taken.
static inline void weigh(const ScoreTile& tile) {
  const Vec inverse = splat(static_cast<float>(1 / tile.parameters->scoring.selection.half_width));
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
    const KeyRange keys = tile.vector_keys[v];
    Vec distance;
    for (int i = 0; i < lanes; ++i)
      distance[i] = static_cast<float>(static_cast<double>(keys.first) - tile.group->center[v * lanes + i]);
    for (int64_t key = keys.first; key < keys.last; ++key, distance += 1.0f)
      store(tile.at(key, v), load(tile.at(key, v)) * bell(distance * inverse));
  }
}

// Multiplies the weights of one row, keys along the lanes.
static inline void weigh(const ScoreRow& row) {
  const Vec inverse = splat(static_cast<float>(1 / row.parameters->scoring.selection.half_width));
  Vec distance = splat(static_cast<float>(static_cast<double>(row.first_key) - row.row->center));
  for (int i = 0; i < lanes; ++i) distance[i] += static_cast<float>(i);
  for (int64_t i = 0; i < row.padded_keys(); i += lanes, distance += static_cast<float>(lanes))
    store(row.scores + i, load(row.scores + i) * bell(distance * inverse));
}

}  // namespace heed::cpu::HEED_ISA
