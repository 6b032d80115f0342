// Describes the rows of a block: the query step and head of each row, and the keys that it may attend.
#pragma once

#include "cpu/kernels/storage.h"
#include "cpu/kernels/table.h"

namespace heed::cpu::HEED_ISA {

// Keys [first, last) of one row. Windows and lengths only ever cut intervals.
struct KeyRange {
  int64_t first, last;
};

static inline void include(KeyRange& range, KeyRange keys) {
  if (keys.first >= keys.last) return;
  if (keys.first < range.first) range.first = keys.first;
  if (keys.last > range.last) range.last = keys.last;
}

struct RowOrigin {
  int64_t query;     // step within the sequence
  int64_t head;      // query head
  int64_t position;  // among the keys
};

static inline RowOrigin origin_of_row(const RowBlock& block, int64_t row) {
  const int64_t group = block.parameters->head_group();
  const int64_t query = (block.first_row + row) / group;
  const int64_t head = block.key_head * group + (block.first_row + row) % group;
  return {query, head, block.sequence.query_offset + query};
}

static inline KeyRange keys_of_position(const KeyWindow& window, int64_t position, int64_t keys) {
  const int64_t first = position - window.left, last = position + window.right + 1;
  const KeyRange range{first > 0 ? first : 0, last < keys ? last : keys};
  return range.first < range.last ? range : KeyRange{0, 0};
}

// The step of the key view that holds the first key of a block's sequence.
static inline int64_t first_key_step(const RowBlock& block) {
  return block.parameters->scoring.score.kind == ScoreKind::location ? 0 : block.sequence.key_start;
}

template <class Pointer>
static inline int64_t offset_of(const BasicView<Pointer>& view, int64_t batch, int64_t head, int64_t step) {
  return batch * view.batch_stride + head * view.head_stride + step * view.step_stride;
}

static inline int64_t mask_offset(const MaskView& mask, int64_t batch, int64_t head, int64_t query) {
  return batch * mask.batch_stride + head * mask.head_stride + query * mask.query_stride;
}

static inline double center_of(const AttentionParameters& p, int64_t batch, const RowOrigin& origin) {
  const Centers& centers = p.scoring.selection.centers;
  const int64_t at =
      batch * centers.batch_stride + origin.head * centers.head_stride + origin.query * centers.query_stride;
  return with_type(centers.type, [&](auto type) {
    using Type = decltype(type);
    return double{Type::get(static_cast<const typename Type::Element*>(centers.data)[at])};
  });
}

// Keys within the half width of a center. A center of NaN includes no key.
static inline KeyRange keys_around(double center, double half_width, KeyRange keys) {
  const double first = __builtin_ceil(center - half_width), last = __builtin_floor(center + half_width) + 1;
  if (!(first < static_cast<double>(keys.last) && last > static_cast<double>(keys.first))) return {0, 0};
  if (first > static_cast<double>(keys.first)) keys.first = static_cast<int64_t>(first);
  if (last < static_cast<double>(keys.last)) keys.last = static_cast<int64_t>(last);
  return keys.first < keys.last ? keys : KeyRange{0, 0};
}

static inline float slope_of(const Scoring& scoring, int64_t batch, int64_t head) {
  return scoring.alibi_slopes ? scoring.alibi_slopes[batch * scoring.alibi_batch_stride + head] : 0;
}

struct Row {
  RowOrigin origin;
  KeyRange keys;
  float slope;       // for ALiBi
  const void* mask;  // the mask row of this row
  double center;     // for local selection; 0 if it includes no key
};

static inline Row describe_row(const RowBlock& block, int64_t row) {
  const AttentionParameters& p = *block.parameters;
  const RowOrigin origin = origin_of_row(block, row);
  const void* mask = nullptr;
  if (p.scoring.mask.data) {
    const int64_t offset = mask_offset(p.scoring.mask, block.batch, origin.head, origin.query);
    mask = static_cast<const char*>(p.scoring.mask.data) +
           offset * static_cast<int64_t>(size_of(p.scoring.mask.type));
  }
  KeyRange keys = keys_of_position(p.scoring.window, origin.position, block.sequence.key_steps);
  double center = 0;
  if (p.scoring.selection.kind == SelectionKind::local) {
    const double predicted = center_of(p, block.batch, origin);
    keys = keys_around(predicted, p.scoring.selection.half_width, keys);
    // A NaN center would turn weights of 0 into NaN.
    if (keys.first < keys.last) center = predicted;
  }
  return {origin, keys, slope_of(p.scoring, block.batch, origin.head), mask, center};
}

}  // namespace heed::cpu::HEED_ISA
