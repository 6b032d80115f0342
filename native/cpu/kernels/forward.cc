// Fused attention of a block of query rows: for each tile of keys and each group of rows
//
//   1. scores   S = K Qᵀ                     multiply, keys in place against transposed queries; key_scores.h
//   2. stages   cap, ALiBi, mask, range      only the stages that the problem has, only where they matter
//   3. softmax  P = 2^(S − m), online        rows lie along the lanes, so no horizontal operations
//   4. values   O = O · 2^(m_old − m) + V Pᵀ multiply, values in place against P
//
// (Dao et al., FlashAttention, 2022; the transposed form is specific to heed.) No buffer grows with the
// number of keys.
#include "cpu/kernels/hard_selection.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/key_scores.h"
#include "cpu/kernels/local_weights.h"
#include "cpu/kernels/masked_keys.h"
#include "cpu/kernels/online_softmax.h"
#include "cpu/kernels/query_rows.h"
#include "cpu/kernels/weighted_values.h"

namespace heed::cpu::HEED_ISA {

// How a selection processes the scores of a tile: `values` begin at the tile's first key; `exclusions` says
// whether some row does not attend some of the keys.
using Attend = void (*)(const ScoreTile& tile, RowGroup& group, TileRows values, bool exclusions);

// Adds a tile to the running softmax, and its values to the running output. `weigh` changes weights after
// they are summed.
template <class Weigh>
static inline void attend_weighted(const ScoreTile& tile, RowGroup& group, TileRows value_rows,
                                   bool exclusions, Weigh weigh) {
  alignas(64) float decay[group_rows];
  softmax_tile(tile, group, decay);
  weigh(tile);
  const bool careful = exclusions && !all_finite(value_rows, tile.keys(), tile.parameters->value_width);
  if (!all_vectors_alike(tile)) scale_outputs(tile, group, decay);
  for_parts(tile, [&](const ScoreTile& part) {
    const TileRows values = value_rows.from(part.first_key - tile.first_key);
    careful ? accumulate_attended_values(part, group, values, decay)
            : accumulate_values(part, group, values, decay);
  });
}

static inline void attend_soft(const ScoreTile& tile, RowGroup& group, TileRows values, bool exclusions) {
  attend_weighted(tile, group, values, exclusions, [](const ScoreTile&) {});
}

static inline void attend_local(const ScoreTile& tile, RowGroup& group, TileRows values, bool exclusions) {
  attend_weighted(tile, group, values, exclusions, [](const ScoreTile& weights) { weigh(weights); });
}

static inline void attend_best(const ScoreTile& tile, RowGroup& group, TileRows, bool) {
  choose(tile, group);
  if (!tile.parameters->log_sum_exp.data) return;
  alignas(64) float decay[group_rows];
  softmax_tile(tile, group, decay);
}

static inline Attend attend_of(const AttentionParameters& p) {
  if (p.scoring.selection.is_hard()) return attend_best;
  return p.scoring.selection.kind == SelectionKind::local ? attend_local : attend_soft;
}

// Processes one group with the part of a tile that it attends.
static inline void attend_tile(RowGroup& group, const AttentionParameters& p, const Stages& stages,
                               Attend attend, KeyRange keys, float* scores, const KeyTile& key_tile,
                               TileRows value_rows) {
  const TileKeys attended = keys_of_tile(group, p, keys);
  if (attended.any.first >= attended.any.last) return;
  const ScoreTile tile{
      scores, attended.any.first, attended.any.last, 0, group.vectors, attended.of_vectors, &group, &p};
  const bool in_range = in_range_of_every_row(tile);
  if (attended.masked) prefetch_mask(tile);

  for_parts(tile, [&](const ScoreTile& part) {
    stages.score(part, key_tile);
    for (int64_t i = 0; i < stages.count; ++i) stages.then[i](part);
    if (attended.masked) add_mask(part);
    if (!in_range) exclude_out_of_range(part);
  });
  attend(tile, group, value_rows.from(tile.first_key - keys.first), !in_range || attended.masked);
}

constexpr int groups_per_block = row_block / group_rows;

struct ForwardScratch {
  RowGroup* groups;
  float *queries, *outputs, *scores, *keys, *values, *prepared, *exponentials, *vectors;
  KeyScratch key;
  QueryScratch query;

  static ForwardScratch carve(const AttentionParameters& p, ScratchCursor& cursor) {
    ForwardScratch s;
    s.groups = cursor.take<RowGroup>(groups_per_block);
    s.queries = cursor.take<float>(depth_of(p) * row_block);
    s.outputs = cursor.take<float>(p.value_width * row_block);
    s.scores = cursor.take<float>(key_tile * group_rows);
    s.keys = cursor.take<float>(needs_copies(p.key) ? key_tile * p.key_width : 0);
    s.values = cursor.take<float>(needs_copies(p.value) ? key_tile * p.value_width : 0);
    s.key = KeyScratch::carve(p, cursor);
    s.prepared = cursor.take<float>(row_block * prepared_stride(p));
    const int64_t additive =
        p.scoring.score.kind == ScoreKind::additive ? p.scoring.score.hidden * row_block : 0;
    s.exponentials = cursor.take<float>(additive);
    s.vectors = cursor.take<float>(additive);
    s.query = QueryScratch::carve(p, row_block, cursor);
    return s;
  }
};

size_t forward_scratch(const AttentionParameters& p) {
  ScratchCursor cursor{nullptr};
  ForwardScratch::carve(p, cursor);
  return cursor.used();
}

void forward(const RowBlock& block, void* scratch, const Stop& stop) {
  const AttentionParameters& p = *block.parameters;
  ScratchCursor cursor{scratch};
  const ForwardScratch s = ForwardScratch::carve(p, cursor);
  const Stages stages = stages_of(p);
  const Attend attend = attend_of(p);
  const int64_t prepared = prepared_stride(p);
  if (prepared) load_query_rows(block, block.rows, query_factor(p), s.query, s.prepared, prepared);
  s.key.load(p, block.key_head);

  const int64_t groups = (block.rows + group_rows - 1) / group_rows;
  KeyRange keys{INT64_MAX, 0};
  for (int64_t g = 0; g < groups; ++g) {
    RowGroup& group = s.groups[g];
    group.rows = block.rows - g * group_rows < group_rows ? block.rows - g * group_rows : group_rows;
    group.query = s.queries + g * group_rows * depth_of(p);
    group.exponential = s.exponentials + g * group_rows * p.scoring.score.hidden;
    group.vector = s.vectors + g * group_rows * p.scoring.score.hidden;
    group.output = s.outputs + g * group_rows * p.value_width;
    describe_rows(block, g * group_rows, group);
    prepared ? load_prepared_queries(s.prepared, prepared, g * group_rows, depth_of(p), group)
             : load_queries(block, g * group_rows, query_factor(p), group);
    if (p.scoring.score.kind == ScoreKind::additive)
      prepare_additive(block, g * group_rows, query_factor(p), group);
    for (int64_t i = 0; i < p.value_width * group_rows; i += lanes) store(group.output + i, Vec{});
    if (group.keys.first < keys.first) keys.first = group.keys.first;
    if (group.keys.last > keys.last) keys.last = group.keys.last;
  }

  // Tiles begin at the first key and have a fixed length, wherever pages end: a tile is a step of the
  // softmax, and other steps would give other bits.
  for (int64_t first = keys.first; first < keys.last; first += key_tile) {
    if (stop()) return;
    const int64_t last = keys.last - first < key_tile ? keys.last : first + key_tile;
    const TileRows key_rows =
        tile_rows_of(p.key, block, first_key_step(block) + first, last - first, p.key_width, s.keys);
    const TileRows value_rows =
        tile_rows_of(p.value, block, block.sequence.key_start + first, last - first, p.value_width, s.values);
    const KeyTile key_tile_rows = key_tile_of(p, key_rows, first, last - first, s.key);
    for (int64_t g = 0; g < groups; ++g) {
      RowGroup& group = s.groups[g];
      const KeyRange mine{first > group.keys.first ? first : group.keys.first,
                          last < group.keys.last ? last : group.keys.last};
      if (mine.first >= mine.last) continue;
      attend_tile(group, p, stages, attend, mine, s.scores, key_tile_rows,
                  value_rows.from(mine.first - first));
    }
  }

  for (int64_t g = 0; g < groups; ++g) {
    alignas(64) float factor[group_rows] = {};
    finish_rows(block, g * group_rows, s.groups[g], factor);
    if (p.scoring.selection.is_hard()) {
      finish_choices(block, g * group_rows, s.groups[g]);
      continue;
    }
    with_type(p.output.type,
              [&](auto type) { write_outputs<decltype(type)>(block, g * group_rows, s.groups[g], factor); });
  }
}

}  // namespace heed::cpu::HEED_ISA
