// The online softmax (Milakov & Gimelshein, 2018), in powers of two, over a tile with rows along the lanes.
#pragma once

#include "cpu/kernels/score_stages.h"

namespace heed::cpu::HEED_ISA {

// Processes adjacent vectors of a tile over the same keys, so that the maxima and sums of one do not wait for
// another's.
template <int vectors>
static inline void soften_vectors(const ScoreTile& tile, int64_t first_vector, KeyRange keys, RowGroup& group,
                                  float* decay) {
  const int64_t first_lane = first_vector * lanes;
  Vec highest[vectors];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) highest[v] = load(group.maximum + first_lane + v * lanes);
  for (int64_t key = keys.first; key < keys.last; ++key) {
    const float* scores = tile.at(key, first_vector);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) highest[v] = maximum(load(scores + v * lanes), highest[v]);
  }
  Vec reference[vectors], sum[vectors];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) {
    // A row without keys so far subtracts 0, which avoids −∞ − −∞.
    reference[v] = highest[v] == splat(-infinity) ? Vec{} : highest[v];
    sum[v] = Vec{};
  }
  for (int64_t key = keys.first; key < keys.last; ++key) {
    float* scores = tile.at(key, first_vector);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      const Vec weight = exp2(load(scores + v * lanes) - reference[v]);
      store(scores + v * lanes, weight);
      sum[v] += weight;
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) {
    const int64_t lane = first_lane + v * lanes;
    const Vec faded = exp2(load(group.maximum + lane) - reference[v]);
    store(decay + lane, faded);
    store(group.maximum + lane, highest[v]);
    store(group.sum + lane, multiply_add(load(group.sum + lane), faded, sum[v]));
  }
}

// Converts the scores that some row of each vector attends to weights, in place. `decay` returns the factors
// for older sums.
static inline void softmax_tile(const ScoreTile& tile, RowGroup& group, float* decay) {
  if (all_vectors_alike(tile)) {
    for_vector_groups(tile.first_vector, tile.last_vector, [&](auto vectors, int64_t first) {
      soften_vectors<vectors.value>(tile, first, {tile.first_key, tile.last_key}, group, decay);
    });
  } else {
    for (int64_t v = tile.first_vector; v < tile.last_vector; ++v)
      soften_vectors<1>(tile, v, tile.vector_keys[v], group, decay);
  }
}

}  // namespace heed::cpu::HEED_ISA
