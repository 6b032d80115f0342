// Weighted sums of a tile's values, added to the running outputs of a group of rows.
#pragma once

#include "cpu/kernels/masked_keys.h"
#include "cpu/kernels/multiply.h"
#include "cpu/kernels/pair_tile.h"
#include "cpu/kernels/row_group.h"
#include "cpu/kernels/score_tile.h"

namespace heed::cpu::HEED_ISA {

// O[d][row] = O[d][row] · decay[row] + Σ_key V[key][d] · P[key][row]
template <class Product>
static inline void accumulate_values(const ScoreTile& tile, RowGroup& group, RowsOf<Product> values,
                                     const float* decay) {
  for_vector_groups(tile.first_vector, tile.last_vector, [&](auto vectors, int64_t first_vector) {
    for_row_tiles(tile.parameters->value_width, [&](auto rows, int64_t d) {
      Accumulators<rows.value, vectors.value> acc;
      const auto* weights =
          reinterpret_cast<const typename Product::Element*>(tile.at(tile.first_key, first_vector));
      multiply<BroadcastColumns, Product>(values.data + d, values.stride, weights, group_rows, tile.keys(),
                                          acc);
#pragma GCC unroll 16
      for (int m = 0; m < rows.value; ++m) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors.value; ++v) {
          float* out = group.output + (d + m) * group_rows + (first_vector + v) * lanes;
          store(out, multiply_add(load(out), load(decay + (first_vector + v) * lanes), acc[m][v]));
        }
      }
    });
  });
}

// The same if a value that some row does not attend is NaN or ∞: 0 · ∞ must not occur, so each product is
// selected individually.
static inline void accumulate_attended_values(const ScoreTile& tile, RowGroup& group, TileRows values,
                                              const float* decay) {
  const int64_t first_row = tile.first_vector * lanes, end = tile.last_vector * lanes;
  const int64_t last_row = end < group.rows ? end : group.rows;
  for (int64_t d = 0; d < tile.parameters->value_width; ++d) {
    for (int64_t r = first_row; r < last_row; ++r) {
      float sum = 0;
      for (int64_t key = tile.first_key; key < tile.last_key; ++key) {
        const float weight = *(tile.at(key, 0) + r);
        const float value = values.data[(key - tile.first_key) * values.stride + d];
        if (attends(tile, r, key)) sum = multiply_add(weight, value, sum);
      }
      float& out = group.output[d * group_rows + r];
      out = multiply_add(out, decay[r], sum);
    }
  }
}

// Both for pairs of keys, with the same bits in either.
static inline void accumulate_values(const ScoreTile& tile, RowGroup& group, const ValuePairs& values,
                                     const float* decay) {
  accumulate_values(tile, group, values.rows, decay);
}
static inline void accumulate_attended_values(const ScoreTile& tile, RowGroup& group,
                                              const ValuePairs& values, const float* decay) {
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
    UintVec attended[key_tile / 2];
    for (int64_t pair = 0; pair < tile.keys(); ++pair) {
      const int64_t key = values.first_key + 2 * pair;
      for (int i = 0; i < lanes; ++i) {
        attended[pair][i] = (attends(tile, v * lanes + i, key) ? 0xffffu : 0) |
                            (attends(tile, v * lanes + i, key + 1) ? 0xffff0000u : 0);
      }
    }
    const auto* weights = reinterpret_cast<const uint32_t*>(tile.at(tile.first_key, v));
    for (int64_t d = 0; d < tile.parameters->value_width; ++d) {
      Vec sum{};
      for (int64_t pair = 0; pair < tile.keys(); ++pair) {
        const UintVec factor = Pairs::broadcast<0>(values.rows.data + pair * values.rows.stride + d);
        sum = pair_product(factor & attended[pair], load_pairs(weights + pair * group_rows), sum);
      }
      float* out = group.output + d * group_rows + v * lanes;
      store(out, multiply_add(load(out), load(decay + v * lanes), sum));
    }
  }
}

// Separate, because no part of a split tile knows whether it is the first for its rows.
static inline void scale_outputs(const ScoreTile& tile, RowGroup& group, float* decay) {
  for (int64_t d = 0; d < tile.parameters->value_width; ++d) {
    float* out = group.output + d * group_rows;
    for (int64_t v = tile.first_vector; v < tile.last_vector; ++v)
      store(out + v * lanes, load(out + v * lanes) * load(decay + v * lanes));
  }
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) store(decay + v * lanes, splat(1));
}

}  // namespace heed::cpu::HEED_ISA
