// Attention with whole score matrices, one stage at a time, with the same matrix kernel: the baseline for
// measurements of the fused kernel. A block's matrix is [groups][keys][group_rows].
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/key_scores.h"
#include "cpu/kernels/masked_keys.h"
#include "cpu/kernels/online_softmax.h"
#include "cpu/kernels/query_rows.h"
#include "cpu/kernels/score_stages.h"
#include "cpu/kernels/weighted_values.h"

namespace heed::cpu::HEED_ISA {

struct UnfusedScratch {
  RowGroup* group;
  float *queries, *output, *keys, *prepared;
  KeyScratch key;
  QueryScratch query;

  static UnfusedScratch carve(const AttentionParameters& p, ScratchCursor& cursor) {
    const int64_t widest = p.key_width > p.value_width ? p.key_width : p.value_width;
    UnfusedScratch s;
    s.group = cursor.take<RowGroup>(1);
    s.queries = cursor.take<float>(p.key_width * group_rows);
    s.output = cursor.take<float>(p.value_width * group_rows);
    s.keys = cursor.take<float>(key_tile * widest);
    s.key = KeyScratch::carve(p, cursor);
    s.prepared = cursor.take<float>(row_block * prepared_stride(p));
    s.query = QueryScratch::carve(p, row_block, cursor);
    return s;
  }
};

size_t unfused_scratch(const AttentionParameters& p) {
  ScratchCursor cursor{nullptr};
  UnfusedScratch::carve(p, cursor);
  return cursor.used();
}

// Calls f(group, its matrix) for every group of the block.
template <class F>
static inline void for_unfused_groups(const RowBlock& block, float* matrix, RowGroup& group, F f) {
  for (int64_t first = 0; first < block.rows; first += group_rows) {
    group.rows = block.rows - first < group_rows ? block.rows - first : group_rows;
    describe_rows(block, first, group);
    for (KeyRange& keys : group.vector_keys) keys = {0, block.sequence.key_steps};  // computes everything
    f(first, matrix + first * block.sequence.key_steps);
  }
}

void unfused_scores(const RowBlock& block, float* matrix, void* scratch, const Stop& stop) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  const UnfusedScratch s = UnfusedScratch::carve(p, cursor);
  s.group->query = s.queries;
  const Scores score = scores_of(p);
  const int64_t prepared = prepared_stride(p);
  if (prepared) load_query_rows(block, block.rows, query_factor(p), s.query, s.prepared, prepared);
  for_unfused_groups(block, matrix, *s.group, [&](int64_t first_row, float* scores) {
    prepared ? load_prepared_queries(s.prepared, prepared, first_row, p.key_width, *s.group)
             : load_queries(block, first_row, query_factor(p), *s.group);
    for (int64_t first = 0; first < block.sequence.key_steps && !stop(); first += key_tile) {
      const int64_t left = block.sequence.key_steps - first, keys = left < key_tile ? left : key_tile;
      const TileRows rows =
          tile_rows_of(p.key, block, first_key_step(block) + first, keys, p.key_width, s.keys);
      score({scores + first * group_rows, first, first + keys, 0, s.group->vectors, s.group->vector_keys,
             s.group, &p},
            key_tile_of(p, rows, first, keys, s.key));
    }
  });
}

void unfused_softmax(const RowBlock& block, float* matrix, void* scratch) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  const UnfusedScratch s = UnfusedScratch::carve(p, cursor);
  RowGroup& group = *s.group;
  Stage stages[most_stages];
  const int64_t stage_count = list_stages(p, stages);
  for_unfused_groups(block, matrix, group, [&](int64_t first_row, float* scores) {
    const ScoreTile tile{scores, 0, block.sequence.key_steps, 0, group.vectors, group.vector_keys,
                         &group, &p};
    for (int64_t i = 0; i < stage_count; ++i) stages[i](tile);
    if (p.scoring.mask.data) add_mask(tile);
    exclude_out_of_range(tile);
    alignas(64) float decay[group_rows];
    softmax_tile(tile, group, decay);
    alignas(64) float factor[group_rows] = {};
    finish_rows(block, first_row, group, factor);
    for (int64_t key = 0; key < tile.last_key; ++key) {
      for (int64_t v = 0; v < group.vectors; ++v)
        store(tile.at(key, v), load(tile.at(key, v)) * load(factor + v * lanes));
    }
  });
}

void unfused_values(const RowBlock& block, float* matrix, void* scratch, const Stop& stop) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  const UnfusedScratch s = UnfusedScratch::carve(p, cursor);
  RowGroup& group = *s.group;
  group.output = s.output;
  alignas(64) float one[group_rows];
  for (int64_t r = 0; r < group_rows; ++r) one[r] = 1;
  for_unfused_groups(block, matrix, group, [&](int64_t first_row, float* weights) {
    // Weights have been divided by their sums; those of a row that attended nothing are zeros.
    for (int64_t r = 0; r < group.rows; ++r) group.sum[r] = 1;
    for (int64_t i = 0; i < p.value_width * group_rows; i += lanes) store(group.output + i, Vec{});
    for (int64_t first = 0; first < block.sequence.key_steps && !stop(); first += key_tile) {
      const int64_t left = block.sequence.key_steps - first, keys = left < key_tile ? left : key_tile;
      const TileRows rows =
          tile_rows_of(p.value, block, block.sequence.key_start + first, keys, p.value_width, s.keys);
      const ScoreTile tile{
          weights + first * group_rows, first, first + keys, 0, group.vectors, group.vector_keys, &group, &p};
      if (all_finite(rows, keys, p.value_width)) {
        accumulate_values(tile, group, rows, one);
      } else {
        accumulate_attended_values(tile, group, rows, one);
      }
    }
    with_type(p.output.type, [&](auto type) { write_outputs<decltype(type)>(block, first_row, group, one); });
  });
}

}  // namespace heed::cpu::HEED_ISA
