// Fused attention of a block of query rows: for each tile of keys and each group of rows
//
//   1. scores   S = K Qᵀ                     multiply, keys in place against transposed queries; key_scores.h
//   2. stages   cap, ALiBi, mask, range      only the stages that the problem has, only where they matter
//   3. softmax  P = 2^(S − m), online        rows lie along the lanes, so no horizontal operations
//   4. values   O = O · 2^(m_old − m) + V Pᵀ multiply, values in place against P
//
// Where the instruction set multiplies pairs of bfloat16, steps 1 and 4 do so (pair_tile.h), for tensors of
// that type; all other problems are left to the set that it shares kernels with.
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

// Values of some keys, one row for each, or for each pair where the instruction set multiplies pairs.
struct ValueTile {
  TileRows rows;
  ValuePairs pairs;
  int64_t first_key, keys, width;

  enum class Known : uint8_t { nothing, finite, other };
  mutable Known known = Known::nothing;

  // The first group that asks finds out for all.
  bool all_finite() const {
    if (known == Known::nothing) known = find_finite() ? Known::finite : Known::other;
    return known == Known::finite;
  }
  bool find_finite() const {
    if constexpr (has_pair_products) return HEED_ISA::all_finite(pairs, pairs_of(keys), width);
    return HEED_ISA::all_finite(rows, keys, width);
  }
};

// How a selection processes the scores of a tile; `exclusions` says whether some row does not attend some of
// the keys.
using Attend = void (*)(const ScoreTile& tile, RowGroup& group, const ValueTile& values, bool exclusions);

// Adds the values of a tile, each times its weight, to the running output. `values` begin at the tile;
// `careful` says that some row does not attend some key, and that not all of them are finite.
template <class Values>
static inline void add_values(const ScoreTile& weights, RowGroup& group, Values values, float* decay,
                              bool careful) {
  if (!all_vectors_alike(weights)) scale_outputs(weights, group, decay);
  for_parts(weights, [&](const ScoreTile& part) {
    const Values of_part = values.from(part.first_key - weights.first_key);
    careful ? accumulate_attended_values(part, group, of_part, decay)
            : accumulate_values(part, group, of_part, decay);
  });
}

// What becomes of weights after they are summed.
struct Soft {
  static void weigh(const ScoreTile&) {}
};
struct Local {
  static void weigh(const ScoreTile& weights) { HEED_ISA::weigh(weights); }
};

// Adds a tile to the running softmax, and its values to the running output.
template <class Selected>
static inline void attend_rows(const ScoreTile& tile, RowGroup& group, const ValueTile& values,
                               bool exclusions) {
  alignas(64) float decay[group_rows];
  softmax_tile(tile, group, decay);
  Selected::weigh(tile);
  add_values(tile, group, values.rows.from(tile.first_key - values.first_key), decay,
             exclusions && !values.all_finite());
}

// The same, with weights rounded to bfloat16.
template <class Selected>
static inline void attend_pairs(const ScoreTile& tile, RowGroup& group, const ValueTile& values,
                                bool exclusions) {
  alignas(64) float decay[group_rows];
  softmax_tile(tile, group, decay);
  Selected::weigh(tile);
  KeyRange of_vectors[tile_vectors];
  const ScoreTile rounded = round_weights(tile, values.first_key, of_vectors);
  add_values(rounded, group, values.pairs.from(rounded.first_key), decay, exclusions && !values.all_finite());
}

static inline void attend_best(const ScoreTile& tile, RowGroup& group, const ValueTile&, bool) {
  choose(tile, group);
  if (!tile.parameters->log_sum_exp.data) return;
  alignas(64) float decay[group_rows];
  softmax_tile(tile, group, decay);
}

static inline Attend attend_of(const AttentionParameters& p) {
  if (p.scoring.selection.is_hard()) return attend_best;
  const bool local = p.scoring.selection.kind == SelectionKind::local;
  if constexpr (has_pair_products) return local ? attend_pairs<Local> : attend_pairs<Soft>;
  return local ? attend_rows<Local> : attend_rows<Soft>;
}

// Processes one group with the part of a tile that it attends.
static inline void attend_tile(RowGroup& group, const AttentionParameters& p, const Stages& stages,
                               Attend attend, KeyRange keys, float* scores, const KeyTile& key_tile,
                               const ValueTile& values) {
  const TileKeys attended = keys_of_tile(group, p, keys);
  if (attended.any.first >= attended.any.last) return;
  const ScoreTile tile{
      scores, attended.any.first, attended.any.last, 0, group.vectors, attended.of_vectors, &group, &p};
  const bool in_range = in_range_of_every_row(tile);
  if (attended.masked) prefetch_mask(tile);

  bool exclusions = !in_range;
  for_parts(tile, [&](const ScoreTile& part) {
    stages.score(part, key_tile);
    for (int64_t i = 0; i < stages.count; ++i) stages.then[i](part);
    if (attended.masked) exclusions |= add_mask(part);
    if (!in_range) exclude_out_of_range(part);
  });
  attend(tile, group, values, exclusions);
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

// Keys [first, last) of a block's sequence, and their values.
static inline KeyTile load_keys(const RowBlock& block, KeyRange keys, const ForwardScratch& s) {
  const AttentionParameters& p = *block.parameters;
  const int64_t first_step = first_key_step(block) + keys.first, count = keys.last - keys.first;
  if constexpr (has_pair_products)
    return {{}, key_pairs_of(p.key, block, first_step, count, p.key_width, s.keys), keys.first, {}, {}};
  const TileRows rows = tile_rows_of(p.key, block, first_step, count, p.key_width, s.keys);
  return key_tile_of(p, rows, keys.first, count, s.key);
}
static inline ValueTile load_values(const RowBlock& block, KeyRange keys, const ForwardScratch& s) {
  const AttentionParameters& p = *block.parameters;
  const int64_t first_step = block.sequence.key_start + keys.first, count = keys.last - keys.first;
  if constexpr (has_pair_products) {
    const PairRows pairs = value_pairs_of(p.value, block, first_step, count, p.value_width, s.values);
    return {{}, {pairs, keys.first}, keys.first, count, p.value_width};
  }
  const TileRows rows = tile_rows_of(p.value, block, first_step, count, p.value_width, s.values);
  return {rows, {}, keys.first, count, p.value_width};
}

// The queries of a group, prepared or from the tensor.
static inline void load_group_queries(const RowBlock& block, int64_t first_row, const ForwardScratch& s,
                                      RowGroup& group) {
  const AttentionParameters& p = *block.parameters;
  if constexpr (has_pair_products) return load_query_pairs(block, first_row, group);
  const int64_t prepared = prepared_stride(p);
  prepared ? load_prepared_queries(s.prepared, prepared, first_row, depth_of(p), group)
           : load_queries(block, first_row, query_factor(p), group);
}

size_t forward_scratch(const AttentionParameters& p) {
  ScratchCursor cursor{nullptr};
  ForwardScratch::carve(p, cursor);
  return cursor.used();
}

void forward(const RowBlock& block, void* scratch, const Stop& stop) {
  const AttentionParameters& p = *block.parameters;
  if constexpr (has_pair_products) {
    if (!takes_pairs(p)) return HEED_SHARED::forward(block, scratch, stop);
  }
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
    load_group_queries(block, g * group_rows, s, group);
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
    const KeyTile of_keys = load_keys(block, {first, last}, s);
    const ValueTile values = load_values(block, {first, last}, s);
    for (int64_t g = 0; g < groups; ++g) {
      RowGroup& group = s.groups[g];
      const KeyRange mine{first > group.keys.first ? first : group.keys.first,
                          last < group.keys.last ? last : group.keys.last};
      if (mine.first >= mine.last) continue;
      attend_tile(group, p, stages, attend, mine, s.scores, of_keys, values);
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
