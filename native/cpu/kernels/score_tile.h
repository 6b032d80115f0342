// A tile of scores: some keys of a sequence times the rows of a group.
#pragma once

#include "cpu/kernels/row_group.h"

namespace heed::cpu::HEED_ISA {

// Scores of keys [first_key, last_key) for vectors [first_vector, last_vector) of a group:
// scores[(key − first_key) · group_rows + row].
struct ScoreTile {
  float* scores;
  int64_t first_key, last_key;
  int64_t first_vector, last_vector;
  const RowGroup* group;
  const AttentionParameters* parameters;

  int64_t keys() const { return last_key - first_key; }
  float* at(int64_t key, int64_t vector) const {
    return scores + (key - first_key) * group_rows + vector * lanes;
  }
};

// Keys of the tile that some row of a vector attends.
static inline KeyRange keys_of_vector(const ScoreTile& tile, int64_t vector) {
  const KeyRange keys = tile.group->vector_keys[vector];
  return {keys.first > tile.first_key ? keys.first : tile.first_key,
          keys.last < tile.last_key ? keys.last : tile.last_key};
}

static inline bool every_row_attends(const ScoreTile& tile) {
  const KeyRange shared = tile.group->shared_keys;
  return tile.first_key >= shared.first && tile.last_key <= shared.last;
}

// Cuts a tile where a vector of rows begins or ceases to attend (under causality and windows rows do so one
// after the other), so that nobody computes what nobody attends: f(part).
template <class F>
static inline void for_parts(const ScoreTile& tile, F f) {
  if (every_row_attends(tile)) return f(tile);
  for (int64_t key = tile.first_key; key < tile.last_key;) {
    int64_t next = tile.last_key, first_vector = tile.last_vector, last_vector = tile.first_vector;
    for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
      const KeyRange keys = tile.group->vector_keys[v];
      if (keys.first > key && keys.first < next) next = keys.first;
      if (keys.last > key && keys.last < next) next = keys.last;
      if (key < keys.first || key >= keys.last) continue;
      if (v < first_vector) first_vector = v;
      last_vector = v + 1;
    }
    if (first_vector < last_vector) {
      f(ScoreTile{tile.at(key, 0), key, next, first_vector, last_vector, tile.group, tile.parameters});
    }
    key = next;
  }
}

}  // namespace heed::cpu::HEED_ISA
