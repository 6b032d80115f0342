// Hard selection: finds the key that a row chooses, tile by tile in place of the online softmax, and outputs
// its value. A NaN score counts as best, and the first of several wins: as with soft selection, it must not
// go unnoticed.
#pragma once

#include "cpu/kernels/draws.h"
#include "cpu/kernels/row_group.h"
#include "cpu/kernels/score_row.h"
#include "cpu/kernels/score_tile.h"
#include "cpu/kernels/stored_rows.h"

namespace heed::cpu::HEED_ISA {

// The best key of a row so far: its score in log2 units, plus noise if keys are drawn.
struct Choice {
  float score;
  int64_t key;  // −1 for none
};

constexpr Choice no_choice{-infinity, -1};

static inline bool is_better(float score, float best) {
  return !(score <= best) && best == best;
}

// Searches a tile. Does not change the scores.
static inline void choose(const ScoreTile& tile, RowGroup& group) {
  const bool drawn = tile.parameters->scoring.selection.kind == SelectionKind::drawn;
  for (int64_t v = tile.first_vector; v < tile.last_vector; ++v) {
    const KeyRange keys = tile.vector_keys[v];
    const UintVec first = load(group.stream_first + v * lanes),
                  second = load(group.stream_second + v * lanes);
    Vec best = load(group.best + v * lanes);
    IntVec found = splat_int(-1);
    for (int64_t key = keys.first; key < keys.last; ++key) {
      Vec score = load(tile.at(key, v));
      if (drawn) score += noise(first, second, UintVec{} + static_cast<uint32_t>(key));
      const IntVec better = ~(score <= best) & (best == best);
      best = better ? score : best;
      found = better ? splat_int(static_cast<int32_t>(key - tile.first_key)) : found;
    }
    store(group.best + v * lanes, best);
    for (int i = 0; i < lanes; ++i) {
      if (found[i] >= 0) group.choice[v * lanes + i] = tile.first_key + found[i];
    }
  }
}

// The same for one row, keys along the lanes.
static inline void choose(const ScoreRow& row, const Stream& stream, Choice& choice) {
  const bool drawn = row.parameters->scoring.selection.kind == SelectionKind::drawn;
  UintVec key = UintVec{} + static_cast<uint32_t>(row.first_key);
  for (int i = 0; i < lanes; ++i) key[i] += static_cast<uint32_t>(i);
  for (int64_t first = 0; first < row.padded_keys(); first += lanes, key += static_cast<uint32_t>(lanes)) {
    Vec scores = load(row.scores + first);
    if (drawn) scores += noise(UintVec{} + stream.first, UintVec{} + stream.second, key);
    for (int i = 0; i < lanes; ++i) {
      if (is_better(scores[i], choice.score)) choice = {scores[i], row.first_key + first + i};
    }
  }
}

// If the sink beats every key, no key is chosen; a tie goes to the key.
static inline int64_t chosen_key(const AttentionParameters& p, int64_t batch, const RowOrigin& origin,
                                 const Choice& choice) {
  if (!p.scoring.sinks || choice.key < 0) return choice.key;
  float sink = in_log2_units(sink_of(p, origin.head));
  if (p.scoring.selection.kind == SelectionKind::drawn)
    sink += noise_of(stream_of(p, batch, origin), sink_key);
  return sink > choice.score ? -1 : choice.key;
}

// Copies one row, bit by bit if the types are equal; scaled types are dequantised.
template <class Type>
static inline void copy_value(const Run& run, DType type, int64_t width, typename Type::Element* out) {
  if (type == Type::type) {
    __builtin_memcpy(out, run.rows, static_cast<size_t>(width) * sizeof *out);
    return;
  }
  with_stored_type(type, [&](auto stored) {
    using Stored = decltype(stored);
    for (int64_t d = 0; d < width; ++d)
      out[d] = Type::put(Stored::get(run.as<Stored>()[d]) * (run.scales ? run.scales[0] : 1));
  });
}

// Writes the value of the chosen key, or zeros, and the key's index if requested.
static inline void write_choice(const RowBlock& block, const RowOrigin& origin, const Choice& choice) {
  const AttentionParameters& p = *block.parameters;
  const int64_t key = chosen_key(p, block.batch, origin, choice);
  with_type(p.output.type, [&](auto type) {
    using Type = decltype(type);
    auto* out = static_cast<typename Type::Element*>(p.output.data) +
                offset_of(p.output, block.batch, origin.head, block.sequence.query_start + origin.query);
    if (key < 0) {
      for (int64_t d = 0; d < p.value_width; ++d) out[d] = 0;
    } else {
      copy_value<Type>(run_at(p.value, block, block.sequence.key_start + key, 1), p.value.type, p.value_width,
                       out);
    }
  });
  const Choices& choices = p.scoring.selection.choices;
  if (choices.data) {
    choices.data[block.batch * choices.batch_stride + origin.head * choices.head_stride + origin.query] =
        static_cast<double>(key);
  }
}

static inline void finish_choices(const RowBlock& block, int64_t first_row, const RowGroup& group) {
  for (int64_t r = 0; r < group.rows; ++r)
    write_choice(block, origin_of_row(block, first_row + r), {group.best[r], group.choice[r]});
}

}  // namespace heed::cpu::HEED_ISA
