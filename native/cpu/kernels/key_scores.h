// Scores of a tile of keys, before the stages that depend on key and query positions: one function for each
// kind of score.
#pragma once

#include "cpu/kernels/additive.h"
#include "cpu/kernels/key_tile.h"
#include "cpu/kernels/length.h"
#include "cpu/kernels/pair_tile.h"
#include "cpu/kernels/score_stages.h"

namespace heed::cpu::HEED_ISA {

// Keys of a tile, with the data that each kind of score needs for each key.
struct KeyTile {
  TileRows rows;
  PairRows pairs;  // instead of the rows, where the instruction set multiplies pairs
  int64_t first_key;
  float* inverse_lengths;  // for cosines
  OfferedKeys offered;     // for additive scores
};

using Scores = void (*)(const ScoreTile& tile, const KeyTile& keys);

// S[key][row] = Σ_d K[key][d] · Q[d][row]. Equal keys have bitwise equal scores anywhere in a tile, since
// hard selection takes the first of several best ones.
template <class Product, class Finish>
static inline void multiply_keys(const ScoreTile& tile, RowsOf<Product> keys,
                                 const typename Product::Element* queries, int64_t depth, Finish finish) {
  for_vector_groups(tile.first_vector, tile.last_vector, [&](auto vectors, int64_t first_vector) {
    for_row_tiles(tile.keys(), [&](auto rows, int64_t first) {
      Accumulators<rows.value, vectors.value> acc;
      multiply<BroadcastRows, Product>(keys.data + first * keys.stride, keys.stride,
                                       queries + first_vector * lanes, group_rows, depth, acc);
#pragma GCC unroll 16
      for (int m = 0; m < rows.value; ++m) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors.value; ++v)
          store(tile.at(tile.first_key + first + m, first_vector + v), finish(acc[m][v]));
      }
    });
  });
}

static inline void multiply_scores(const ScoreTile& tile, const KeyTile& keys) {
  multiply_keys(tile, keys.rows.from(tile.first_key - keys.first_key), tile.group->query,
                tile.parameters->key_width, [](Vec score) { return score; });
}

// The queries of pairs are as they are in memory, and not yet scaled.
static inline void multiply_pairs(const ScoreTile& tile, const KeyTile& keys) {
  const Vec factor = splat(query_factor(*tile.parameters));
  multiply_keys(tile, keys.pairs.from(tile.first_key - keys.first_key), query_pairs(*tile.group),
                pairs_of(tile.parameters->key_width), [=](Vec score) { return score * factor; });
}

// The same, divided by the lengths of the keys; queries already have length 1.
static inline void multiply_cosines(const ScoreTile& tile, const KeyTile& keys) {
  multiply_scores(tile, keys);
  for (int64_t key = tile.first_key; key < tile.last_key; ++key) {
    const Vec inverse = splat(keys.inverse_lengths[key - keys.first_key]);
    for (int64_t v = tile.first_vector; v < tile.last_vector; ++v)
      store(tile.at(key, v), load(tile.at(key, v)) * inverse);
  }
}

static inline void add_scores(const ScoreTile& tile, const KeyTile& keys) {
  add_keys(tile, keys.offered, keys.first_key);
}

static inline Scores scores_of(const AttentionParameters& p) {
  if constexpr (has_pair_products) return multiply_pairs;
  switch (p.scoring.score.kind) {
    case ScoreKind::additive:
      return add_scores;
    case ScoreKind::cosine:
      return multiply_cosines;
    default:
      return multiply_scores;
  }
}

// The stages of a tile's scores before masks and ranges, in this order.
struct Stages {
  Scores score;
  Stage then[most_stages];
  int64_t count;
};

static inline Stages stages_of(const AttentionParameters& p) {
  Stages stages{scores_of(p), {}, 0};
  stages.count = list_stages(p, stages.then);
  return stages;
}

// Scratch memory for key data that is computed once for all rows.
struct KeyScratch {
  float *inverse_lengths, *matrix;
  OfferedKeys offered;

  static KeyScratch carve(const AttentionParameters& p, ScratchCursor& cursor) {
    KeyScratch s{};
    s.inverse_lengths = cursor.take<float>(key_tile);
    if (p.scoring.score.kind != ScoreKind::additive) return s;
    const int64_t pitch = padded(p.scoring.score.hidden);
    s.matrix = cursor.take<float>(p.key_width * pitch);
    s.offered = OfferedKeys::carve(key_tile, pitch, cursor);
    return s;
  }

  void load(const AttentionParameters& p, int64_t key_head) const {
    if (p.scoring.score.kind == ScoreKind::additive)
      load_transposed(p.scoring.score.key, key_head, p.scoring.score.hidden, p.key_width, matrix);
  }
};

static inline KeyTile key_tile_of(const AttentionParameters& p, TileRows rows, int64_t first_key,
                                  int64_t keys, const KeyScratch& s) {
  const KeyTile tile{rows, {}, first_key, s.inverse_lengths, s.offered};
  if (p.scoring.score.kind == ScoreKind::cosine) {
    for (int64_t key = 0; key < keys; ++key)
      s.inverse_lengths[key] = inverse_length<Float32>(rows.data + key * rows.stride, p.key_width);
  }
  if (p.scoring.score.kind == ScoreKind::additive) offer_keys(p, rows, keys, s.matrix, s.offered);
  return tile;
}

}  // namespace heed::cpu::HEED_ISA
