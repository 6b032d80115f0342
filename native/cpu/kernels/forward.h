// Fused attention of a block of query rows: for each tile of keys, for each group of rows
//
//   1. scores   S = K Qᵀ                     multiply, keys in place against transposed queries
//   2. stages   cap, ALiBi, mask, range      only those the problem has, and only where they can matter
//   3. softmax  P = 2^(S − m), online        rows lie along the lanes: nothing horizontal
//   4. values   O = O · 2^(m_old − m) + V Pᵀ multiply, values in place against P
//
// (Dao et al., FlashAttention, 2022; the transposed form is heed's.) No buffer grows with the number of keys.
#pragma once

#include "cpu/kernels/key_tile.h"
#include "cpu/kernels/masked_keys.h"
#include "cpu/kernels/online_softmax.h"
#include "cpu/kernels/scratch_cursor.h"

namespace heed::cpu::HEED_ISA {

// S[key][row] = Σ_d K[key][d] · Q[d][row]
static inline void multiply_scores(const ScoreTile& tile, TileRows keys) {
  const int64_t width = tile.parameters->width;
  for_vector_groups(tile.first_vector, tile.last_vector, [&](auto vectors, int64_t first_vector) {
    const float* queries = tile.group->query + first_vector * lanes;
    for_row_tiles(tile.keys(), [&](auto rows, int64_t first) {
      Accumulators<rows.value, vectors.value> acc;
      multiply<BroadcastRows, Float32, Sums::in_any_order>(keys.data + first * keys.stride, keys.stride,
                                                           queries, group_rows, width, acc);
#pragma GCC unroll 16
      for (int m = 0; m < rows.value; ++m) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors.value; ++v)
          store(tile.at(tile.first_key + first + m, first_vector + v), acc[m][v]);
      }
    });
  });
}

// O[d][row] = O[d][row] · decay[row] + Σ_key V[key][d] · P[key][row]
static inline void accumulate_values(const ScoreTile& tile, RowGroup& group, TileRows values,
                                     const float* decay) {
  for_vector_groups(tile.first_vector, tile.last_vector, [&](auto vectors, int64_t first_vector) {
    for_row_tiles(tile.parameters->value_width, [&](auto rows, int64_t d) {
      Accumulators<rows.value, vectors.value> acc;
      multiply<BroadcastColumns, Float32, Sums::in_order>(values.data + d, values.stride,
                                                          tile.at(tile.first_key, first_vector), group_rows,
                                                          tile.keys(), acc);
#pragma GCC unroll 16
      for (int m = 0; m < rows.value; ++m) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors.value; ++v) {
          float* out = group.output + (d + m) * group_rows + (first_vector + v) * lanes;
          store(out, load(out) * load(decay + (first_vector + v) * lanes) + acc[m][v]);
        }
      }
    });
  });
}

// The same where a value that some row may not attend is NaN or ∞: 0 · ∞ must not happen, so each product is
// decided on.
static inline void accumulate_attended_values(const ScoreTile& tile, RowGroup& group, TileRows values,
                                              const float* decay) {
  const int64_t first_row = tile.first_vector * lanes, end = tile.last_vector * lanes;
  const int64_t last_row = end < group.rows ? end : group.rows;
  for (int64_t d = 0; d < tile.parameters->value_width; ++d) {
    for (int64_t r = first_row; r < last_row; ++r) {
      float sum = 0;
      for (int64_t key = tile.first_key; key < tile.last_key; ++key) {
        const float weight = *(tile.at(key, 0) + r);
        if (attends(tile, r, key)) sum += weight * values.data[(key - tile.first_key) * values.stride + d];
      }
      float& out = group.output[d * group_rows + r];
      out = out * decay[r] + sum;
    }
  }
}

// Where a tile comes in parts, no part knows whether it is the first for its rows.
static inline void scale_outputs(const ScoreTile& tile, RowGroup& group, float* decay) {
  for (int64_t d = 0; d < tile.parameters->value_width; ++d) {
    float* out = group.output + d * group_rows;
    for (int64_t v = tile.first_vector; v < tile.last_vector; ++v)
      store(out + v * lanes, load(out + v * lanes) * load(decay + v * lanes));
  }
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) store(decay + v * lanes, splat(1));
}

// One group against the part of a tile that it attends.
static inline void attend_tile(RowGroup& group, const AttentionParameters& p, const Stage* stages,
                               int64_t stage_count, KeyRange keys, float* scores, TileRows key_rows,
                               TileRows value_rows) {
  const TileKeys attended = keys_of_tile(group, p, keys);
  if (attended.any.first >= attended.any.last) return;
  const ScoreTile tile{
      scores, attended.any.first, attended.any.last, 0, group.vectors, attended.of_vectors, &group, &p};
  const int64_t skipped = tile.first_key - keys.first;
  const bool in_range = in_range_of_every_row(tile);
  if (attended.masked) prefetch_mask(tile);

  for_parts(tile, [&](const ScoreTile& part) {
    multiply_scores(part, key_rows.from(part.first_key - keys.first));
    for (int64_t i = 0; i < stage_count; ++i) stages[i](part);
    if (attended.masked) add_mask(part);
    if (!in_range) exclude_out_of_range(part);
  });

  alignas(64) float decay[group_rows];
  soften(tile, group, decay);
  const bool exclusions = !in_range || attended.masked;
  const bool careful = exclusions && !all_finite(value_rows.from(skipped), tile.keys(), p.value_width);
  if (!all_vectors_alike(tile)) scale_outputs(tile, group, decay);
  for_parts(tile, [&](const ScoreTile& part) {
    const TileRows values = value_rows.from(part.first_key - keys.first);
    careful ? accumulate_attended_values(part, group, values, decay)
            : accumulate_values(part, group, values, decay);
  });
}

constexpr int groups_per_block = row_block / group_rows;

struct ForwardScratch {
  RowGroup* groups;
  float *queries, *outputs, *scores, *keys, *values;

  static ForwardScratch carve(const AttentionParameters& p, ScratchCursor& cursor) {
    ForwardScratch s;
    s.groups = cursor.take<RowGroup>(groups_per_block);
    s.queries = cursor.take<float>(p.width * row_block);
    s.outputs = cursor.take<float>(p.value_width * row_block);
    s.scores = cursor.take<float>(key_tile * group_rows);
    s.keys = cursor.take<float>(in_place(p.key) ? 0 : key_tile * p.width);
    s.values = cursor.take<float>(in_place(p.value) ? 0 : key_tile * p.value_width);
    return s;
  }
};

static size_t forward_scratch(const AttentionParameters& p) {
  ScratchCursor cursor{nullptr};
  ForwardScratch::carve(p, cursor);
  return cursor.used();
}

static void forward(const RowBlock& block, void* scratch, const Stop& stop) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  const ForwardScratch s = ForwardScratch::carve(p, cursor);
  Stage stages[2];
  const int64_t stage_count = list_stages(p, stages);

  const int64_t groups = (block.rows + group_rows - 1) / group_rows;
  KeyRange keys{INT64_MAX, 0};
  for (int64_t g = 0; g < groups; ++g) {
    RowGroup& group = s.groups[g];
    group.rows = block.rows - g * group_rows < group_rows ? block.rows - g * group_rows : group_rows;
    group.query = s.queries + g * group_rows * p.width;
    group.output = s.outputs + g * group_rows * p.value_width;
    describe_rows(block, g * group_rows, group);
    with_type(p.query.type, [&](auto type) {
      load_queries<decltype(type)>(block, g * group_rows, query_factor(p), group);
    });
    for (int64_t i = 0; i < p.value_width * group_rows; i += lanes) store(group.output + i, Vec{});
    if (group.keys.first < keys.first) keys.first = group.keys.first;
    if (group.keys.last > keys.last) keys.last = group.keys.last;
  }

  for (int64_t first = keys.first; first < keys.last; first += key_tile) {
    if (stop()) return;
    const int64_t last = first + key_tile < keys.last ? first + key_tile : keys.last;
    const TileRows key_rows = tile_rows_of(p.key, block, first, last - first, p.width, s.keys);
    const TileRows value_rows = tile_rows_of(p.value, block, first, last - first, p.value_width, s.values);
    for (int64_t g = 0; g < groups; ++g) {
      RowGroup& group = s.groups[g];
      const KeyRange mine{first > group.keys.first ? first : group.keys.first,
                          last < group.keys.last ? last : group.keys.last};
      if (mine.first >= mine.last) continue;
      const int64_t skipped = mine.first - first;
      attend_tile(group, p, stages, stage_count, mine, s.scores, key_rows.from(skipped),
                  value_rows.from(skipped));
    }
  }

  for (int64_t g = 0; g < groups; ++g) {
    alignas(64) float factor[group_rows] = {};
    finish_rows(block, g * group_rows, s.groups[g], factor);
    with_type(p.output.type,
              [&](auto type) { write_outputs<decltype(type)>(block, g * group_rows, s.groups[g], factor); });
  }
}

}  // namespace heed::cpu::HEED_ISA
