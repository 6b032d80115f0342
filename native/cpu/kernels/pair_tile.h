// Attention over bfloat16 with products of pairs, summed in float32. Scores take queries and keys as they
// are, so their products are exact, and are scaled when they are sums; log-sum-exps are as exact as those of
// float32. Weights are rounded to bfloat16 for their products with values, and nowhere else, where the
// output is rounded to bfloat16 as well.
//
//            A (broadcast)                              B (vectors)
//   QKᵀ      key, in place: pairs along the width       queries, transposed: [pairs of the width][rows]
//   PV       values of two keys, [pairs of keys][d]     weights: [pairs of keys][rows]
#pragma once

#include "cpu/kernels/key_tile.h"
#include "cpu/kernels/pair_product.h"
#include "cpu/kernels/score_stages.h"
#include "cpu/kernels/tiles.h"

namespace heed::cpu::HEED_ISA {

using PairRows = RowsOf<Pairs>;

// Values of two keys in each row.
struct ValuePairs {
  PairRows rows;
  int64_t first_key;
  ValuePairs from(int64_t pair) const { return {rows.from(pair), first_key + 2 * pair}; }
};

static inline int64_t pairs_of(int64_t elements) {
  return (elements + 1) / 2;
}

// Whether a problem is solved with pairs: all its tensors are bfloat16, and its scores are products with
// queries as they are in memory.
static inline bool takes_pairs(const AttentionParameters& p) {
  const auto is_bfloat16 = [](const auto& view) { return view.type == DType::bfloat16; };
  return is_bfloat16(p.query) && is_bfloat16(p.key) && is_bfloat16(p.value) && is_bfloat16(p.output) &&
         (p.scoring.score.kind == ScoreKind::product || p.scoring.score.kind == ScoreKind::location);
}

static inline uint32_t* query_pairs(const RowGroup& group) {
  return reinterpret_cast<uint32_t*>(group.query);
}

// Copies query rows [first_row, first_row + group.rows) of a block into columns of pairs.
static inline void load_query_pairs(const RowBlock& block, int64_t first_row, RowGroup& group) {
  const AttentionParameters& p = *block.parameters;
  for (int64_t base = 0; base < group.vectors * lanes; base += lanes) {
    const uint16_t* row[lanes];
    const int64_t rows = group.rows - base < lanes ? group.rows - base : lanes;
    for (int64_t r = 0; r < rows; ++r) {
      const RowOrigin origin = origin_of_row(block, first_row + base + r);
      row[r] = static_cast<const uint16_t*>(p.query.data) +
               offset_of(p.query, block.batch, origin.head, block.sequence.query_start + origin.query);
    }
    for (int64_t d = 0; d < p.key_width; d += 2 * lanes) {
      const int64_t count = p.key_width - d < 2 * lanes ? p.key_width - d : 2 * lanes;
      Vec tile[lanes] = {};
      for (int64_t r = 0; r < rows; ++r)
        __builtin_memcpy(&tile[r], row[r] + d, static_cast<size_t>(count) * sizeof(uint16_t));
      transpose(tile);
      for (int64_t i = 0; i < pairs_of(count); ++i)
        store_pairs(query_pairs(group) + (d / 2 + i) * group_rows + base, as_uint(tile[i]));
    }
  }
}

// Keys as pairs along their width: in place if possible, otherwise copied once and shared by all groups of
// the block.
static inline PairRows key_pairs_of(const View& view, const RowBlock& block, int64_t first_step, int64_t keys,
                                    int64_t width, void* copy) {
  if (width % 2 == 0 && view.step_stride % 2 == 0 && !shares_sets(view)) {
    const Run run = run_at(view, block, first_step, keys);
    if (run.count == keys) return {static_cast<const LoosePair*>(run.rows), view.step_stride / 2};
  }
  const int64_t stride = pairs_of(width);
  auto* to = static_cast<uint16_t*>(copy);
  for_runs(view, block, first_step, keys, [&](const Run& run, int64_t) {
    for (int64_t i = 0; i < run.count; ++i, to += 2 * stride) {
      if (width % 2) to[width] = 0;
      __builtin_memcpy(to, run.as<BFloat16>() + i * view.step_stride,
                       static_cast<size_t>(width) * sizeof(uint16_t));
    }
  });
  return {static_cast<const LoosePair*>(copy), stride};
}

// out[d] = the pair of first[d] and second[d], or of first[d] and 0.
static inline void interleave(const uint16_t* first, const uint16_t* second, int64_t width, uint32_t* out) {
  int64_t d = 0;
  for (; d + lanes <= width; d += lanes) {
    store_pairs(out + d,
                pairs_of_exact(BFloat16::load(first + d), second ? BFloat16::load(second + d) : Vec{}));
  }
  for (; d < width; ++d) out[d] = first[d] | (second ? static_cast<uint32_t>(second[d]) << 16 : 0);
}

// Values as pairs of keys, from the first step on.
static inline PairRows value_pairs_of(const View& view, const RowBlock& block, int64_t first_step,
                                      int64_t keys, int64_t width, void* copy) {
  const uint16_t* row[key_tile];
  for_runs(view, block, first_step, keys, [&](const Run& run, int64_t first) {
    for (int64_t i = 0; i < run.count; ++i) row[first + i] = run.as<BFloat16>() + i * view.step_stride;
  });
  auto* out = static_cast<uint32_t*>(copy);
  for (int64_t key = 0; key < keys; key += 2, out += width)
    interleave(row[key], key + 1 < keys ? row[key + 1] : nullptr, width, out);
  return {static_cast<const LoosePair*>(copy), width};
}

static inline bool all_finite(const ValuePairs& values, int64_t count, int64_t width) {
  Vec poison{};  // 0 · x is NaN for ∞ and NaN
  float rest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const LoosePair* row = values.rows.data + i * values.rows.stride;
    int64_t d = 0;
    for (; d + lanes <= width; d += lanes) {
      UintVec pairs;
      __builtin_memcpy(&pairs, row + d, sizeof pairs);
      poison += first_of_pairs(pairs) * 0.0f + second_of_pairs(pairs) * 0.0f;
    }
    for (; d < width; ++d) {
      const UintVec pair = Pairs::broadcast<0>(row + d);
      rest += first_of_pairs(pair)[0] * 0.0f + second_of_pairs(pair)[0] * 0.0f;
    }
  }
  return horizontal_sum(poison) + rest == 0.0f;
}

// Rounds the weights of a tile, in place. The result counts pairs instead of keys, from `first_key` on; keys
// that a vector does not attend have a weight of 0 in its pairs.
static inline ScoreTile round_weights(const ScoreTile& tile, int64_t first_key,
                                      KeyRange (&of_vectors)[tile_vectors]) {
  ScoreTile rounded = tile;
  rounded.first_key = (tile.first_key - first_key) / 2;
  rounded.last_key = pairs_of(tile.last_key - first_key);
  rounded.vector_keys = of_vectors;
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
    const KeyRange keys = tile.vector_keys[v];
    of_vectors[v] = {0, 0};
    if (keys.first >= keys.last) continue;
    of_vectors[v] = {(keys.first - first_key) / 2, pairs_of(keys.last - first_key)};
    for (int64_t pair = of_vectors[v].first; pair < of_vectors[v].last; ++pair) {
      const int64_t key = first_key + 2 * pair;
      const Vec first = key >= keys.first ? load(tile.at(key, v)) : Vec{};
      const Vec second = key + 1 < keys.last ? load(tile.at(key + 1, v)) : Vec{};
      store_pairs(reinterpret_cast<uint32_t*>(rounded.at(pair, v)), round_pairs(first, second));
    }
  }
  return rounded;
}

}  // namespace heed::cpu::HEED_ISA
