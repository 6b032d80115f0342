// The online softmax (Milakov & Gimelshein, 2018), in powers of two: over a tile with rows along the lanes.
#pragma once

#include "cpu/kernels/score_stages.h"

namespace heed::cpu::HEED_ISA {

// Turns the scores that some row of each vector attends into weights, in place, and returns in `decay` what
// older sums have to be multiplied by.
static inline void soften(const ScoreTile& tile, RowGroup& group, float* decay) {
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
    const KeyRange keys = tile.vector_keys[v];
    const Vec before = load(group.maximum + v * lanes);
    Vec maximum_score = before;
    for (int64_t key = keys.first; key < keys.last; ++key) {
      maximum_score = maximum(load(tile.at(key, v)), maximum_score);
    }
    // A row that has met no key yet subtracts 0, so that −∞ − −∞ never happens.
    const Vec reference = maximum_score == splat(-infinity) ? Vec{} : maximum_score;
    const Vec faded = exp2(before - reference);
    Vec sum{};
    for (int64_t key = keys.first; key < keys.last; ++key) {
      const Vec weight = exp2(load(tile.at(key, v)) - reference);
      store(tile.at(key, v), weight);
      sum += weight;
    }
    store(decay + v * lanes, faded);
    store(group.maximum + v * lanes, maximum_score);
    store(group.sum + v * lanes, load(group.sum + v * lanes) * faded + sum);
  }
}

}  // namespace heed::cpu::HEED_ISA
