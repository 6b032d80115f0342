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
  const KeyRange* vector_keys;  // the keys of the tile that some row of each vector attends
  const RowGroup* group;
  const AttentionParameters* parameters;

  int64_t keys() const { return last_key - first_key; }
  float* at(int64_t key, int64_t vector) const {
    return scores + (key - first_key) * group_rows + vector * lanes;
  }
};

// Considers windows and lengths, but not masks.
static inline bool in_range_of_every_row(const ScoreTile& tile) {
  const KeyRange shared = tile.group->shared_keys;
  return tile.first_key >= shared.first && tile.last_key <= shared.last;
}

// Whether the tile is a single part.
static inline bool all_vectors_alike(const ScoreTile& tile) {
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
    if (tile.vector_keys[v].first != tile.first_key || tile.vector_keys[v].last != tile.last_key)
      return false;
  }
  return true;
}

static inline bool vector_attends(const ScoreTile& tile, int64_t vector, int64_t key) {
  return key >= tile.vector_keys[vector].first && key < tile.vector_keys[vector].last;
}

// Cuts a tile at keys where a vector of rows begins or stops to attend, and into adjacent vectors that attend
// the same keys, so that no unattended score is computed: f(part).
template <class F>
static inline void for_parts(const ScoreTile& tile, F f) {
  for (int64_t key = tile.first_key; key < tile.last_key;) {
    int64_t next = tile.last_key;
    for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
      const KeyRange keys = tile.vector_keys[v];
      if (keys.first > key && keys.first < next) next = keys.first;
      if (keys.last > key && keys.last < next) next = keys.last;
    }
    for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
      const int64_t first_vector = v;
      while (v < tile.last_vector && vector_attends(tile, v, key)) ++v;
      if (v > first_vector) {
        f(ScoreTile{tile.at(key, 0), key, next, first_vector, v, tile.vector_keys, tile.group,
                    tile.parameters});
      }
    }
    key = next;
  }
}

}  // namespace heed::cpu::HEED_ISA
