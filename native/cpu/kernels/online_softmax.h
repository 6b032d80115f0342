// The online softmax over a score tile (Milakov & Gimelshein, 2018), in powers of two.
#pragma once

#include "cpu/kernels/score_stages.h"

namespace heed::cpu::HEED_ISA {

// Turns scores into weights in place and returns in `decay` what older sums have to be multiplied by.
static inline void soften(const ScoreTile& tile, RowGroup& group, float* decay) {
  for (int64_t v = 0; v < group.vectors; ++v) {
    const Vec before = load(group.maximum + v * lanes);
    Vec maximum_score = before;
    for (int64_t key = tile.first_key; key < tile.last_key; ++key) {
      maximum_score = maximum(load(tile.at(key, v)), maximum_score);
    }
    // A row that has met no key yet subtracts 0, so that −∞ − −∞ never happens.
    const Vec reference = maximum_score == splat(-infinity) ? Vec{} : maximum_score;
    const Vec faded = exp2(before - reference);
    Vec sum{};
    for (int64_t key = tile.first_key; key < tile.last_key; ++key) {
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
