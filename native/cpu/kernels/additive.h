// Additive scores (Bahdanau et al., 2015): vᵀ tanh(W q + U k). Queries arrive already multiplied by W; keys
// are multiplied by U one tile at a time, so that memory does not grow with the number of keys.
//
// With a = W q and b = U k, tanh(a + b) = 1 − 2 / (1 + e^2a · e^2b): the exponentials are computed once per
// query and once per key, which leaves a product, a reciprocal and a sum for each pair. The error is at most
// 4e-7, plus the error of rounding a and b to float32. If |a| or |b| is above 43, the product may overflow
// although a + b does not: such tiles add first and compute tanh.
#pragma once

#include "cpu/kernels/dot.h"
#include "cpu/kernels/key_tile.h"
#include "cpu/kernels/query_rows.h"
#include "cpu/kernels/row_group.h"
#include "cpu/kernels/score_stages.h"

namespace heed::cpu::HEED_ISA {

constexpr float safe_magnitude = 43;

// U k and e^2Uk of some keys, as rows of padded(hidden), and whether each key is safe to multiply.
struct OfferedKeys {
  float *sums, *exponentials;
  bool* safe;

  static OfferedKeys carve(int64_t keys, int64_t pitch, ScratchCursor& cursor) {
    return {cursor.take<float>(keys * pitch), cursor.take<float>(keys * pitch), cursor.take<bool>(keys)};
  }
};

// Computes e^2x for `count` numbers, a multiple of the lanes. Returns whether all are safe to multiply.
static inline bool exponentiate(const float* from, int64_t count, float* to) {
  Vec largest{};
  for (int64_t i = 0; i < count; i += lanes) {
    const Vec x = load(from + i);
    largest = maximum(as_float(as_int(x) & splat_int(0x7fffffff)), largest);
    store(to + i, exp2(x * splat(2 * log2_e)));
  }
  return horizontal_maximum(largest) <= safe_magnitude;
}

// `matrix` is U in the layout of load_transposed. Equal keys must get equal sums, added in order, and equal
// safety: the other keys in the tile must not affect the result of a key.
static inline void offer_keys(const AttentionParameters& p, TileRows keys, int64_t count, const float* matrix,
                              const OfferedKeys& offered) {
  const int64_t pitch = padded(p.scoring.score.hidden);
  multiply_rows(keys.data, keys.stride, count, matrix, p.key_width, p.scoring.score.hidden, offered.sums,
                pitch);
  for (int64_t key = 0; key < count; ++key)
    offered.safe[key] = exponentiate(offered.sums + key * pitch, pitch, offered.exponentials + key * pitch);
}

// Loads v of each row's head, times the scale, with rows along the lanes, and the sum of each v.
static inline void load_vectors(const RowBlock& block, int64_t first_row, float factor, RowGroup& group) {
  const AttentionParameters& p = *block.parameters;
  const int64_t hidden = p.scoring.score.hidden;
  for (int64_t i = 0; i < hidden * group_rows; i += lanes) store(group.vector + i, Vec{});
  for (int64_t r = 0; r < group_rows; ++r) group.vector_sum[r] = 0;
  with_type(p.scoring.score.vector.type, [&](auto type) {
    using Type = decltype(type);
    for (int64_t r = 0; r < group.rows; ++r) {
      const auto* vector = static_cast<const typename Type::Element*>(p.scoring.score.vector.data) +
                           origin_of_row(block, first_row + r).head * p.scoring.score.vector.head_stride;
      for (int64_t h = 0; h < hidden; ++h) {
        const float element = Type::get(vector[h]) * factor;
        group.vector[h * group_rows + r] = element;
        group.vector_sum[r] += element;
      }
    }
  });
}

// Requires that the queries of the group, W q, have been loaded.
static inline void prepare_additive(const RowBlock& block, int64_t first_row, float factor, RowGroup& group) {
  load_vectors(block, first_row, factor, group);
  // Skips vectors whose lanes hold no rows.
  const int64_t used = group.vectors * lanes;
  group.safe = true;
  for (int64_t h = 0; h < block.parameters->scoring.score.hidden; ++h)
    group.safe &= exponentiate(group.query + h * group_rows, used, group.exponential + h * group_rows);
}

template <bool safe, int rows, int vectors>
static inline void add_tile(const ScoreTile& tile, const OfferedKeys& offered, int64_t first_offered,
                            int64_t key, int64_t vector) {
  const RowGroup& group = *tile.group;
  const int64_t hidden = tile.parameters->scoring.score.hidden, pitch = padded(hidden);
  const float* keys = (safe ? offered.exponentials : offered.sums) + (key - first_offered) * pitch;
  const float* queries = (safe ? group.exponential : group.query) + vector * lanes;
  const float* weights = group.vector + vector * lanes;
  Accumulators<rows, vectors> sums = {};
  for (int64_t h = 0; h < hidden; ++h, queries += group_rows, weights += group_rows) {
    Vec query[vectors], weight[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      query[v] = load(queries + v * lanes);
      weight[v] = load(weights + v * lanes);
    }
#pragma GCC unroll 4
    for (int m = 0; m < rows; ++m) {
      const Vec of_key = splat(keys[m * pitch + h]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        if constexpr (safe) {
          const Vec sum_of_one = multiply_add(query[v], of_key, splat(1));
          sums[m][v] = multiply_add(weight[v], reciprocal(sum_of_one), sums[m][v]);
        } else {
          sums[m][v] = multiply_add(weight[v], tanh(query[v] + of_key), sums[m][v]);
        }
      }
    }
  }
  for (int m = 0; m < rows; ++m) {
    for (int v = 0; v < vectors; ++v) {
      const Vec all = load(group.vector_sum + (vector + v) * lanes);
      store(tile.at(key + m, vector + v), safe ? multiply_add(sums[m][v], splat(-2), all) : sums[m][v]);
    }
  }
}

template <bool safe>
static inline void add_tiles(const ScoreTile& tile, const OfferedKeys& offered, int64_t first_offered) {
  for (int64_t vector = tile.first_vector; vector < tile.last_vector; vector += 2) {
    for_dot_rows(tile.keys(), [&](auto rows, int64_t first) {
      const int64_t key = tile.first_key + first;
      if (tile.last_vector - vector > 1) {
        add_tile<safe, rows.value, 2>(tile, offered, first_offered, key, vector);
      } else {
        add_tile<safe, rows.value, 1>(tile, offered, first_offered, key, vector);
      }
    });
  }
}

// Processes runs of keys that are equally safe.
static inline void add_keys(const ScoreTile& tile, const OfferedKeys& offered, int64_t first_offered) {
  if (!tile.group->safe) return add_tiles<false>(tile, offered, first_offered);
  const auto safe = [&](int64_t key) { return offered.safe[key - first_offered]; };
  for (int64_t first = tile.first_key, last; first < tile.last_key; first = last) {
    for (last = first + 1; last < tile.last_key && safe(last) == safe(first);) ++last;
    const ScoreTile run{tile.at(first, 0), first,      last,           tile.first_vector, tile.last_vector,
                        tile.vector_keys,  tile.group, tile.parameters};
    safe(first) ? add_tiles<true>(run, offered, first_offered)
                : add_tiles<false>(run, offered, first_offered);
  }
}

// The scores of one row, hidden units along the lanes. Query and weight are [padded(hidden)], padded with
// zeros.
static inline void add_row(const float* query, const float* weight, int64_t hidden,
                           const OfferedKeys& offered, int64_t keys, float* out) {
  const int64_t pitch = padded(hidden);
  for (int64_t key = 0; key < keys; ++key) {
    Vec sum{};
    for (int64_t h = 0; h < pitch; h += lanes) {
      const Vec unit = tanh(load(query + h) + load(offered.sums + key * pitch + h));
      sum = multiply_add(load(weight + h), unit, sum);
    }
    out[key] = horizontal_sum(sum);
  }
}

}  // namespace heed::cpu::HEED_ISA
