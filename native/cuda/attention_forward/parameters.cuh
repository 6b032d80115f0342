// The parameters of attention_forward, and the part of the work that a block does.
#pragma once

#include <cstdint>

#include "cuda/attention_forward/mask_tiles.h"
#include "cuda/attention_parameters.h"
#include "cuda/common/entry_at.cuh"
#include "cuda/common/score.cuh"
#include "cuda/device/block.cuh"

namespace heed::cuda {

// One batch entry that has query rows.
struct ForwardEntry {
  Sequence sequence;
  int32_t batch = 0;
  int32_t row_tiles = 0;
  int64_t first_block = 0;
};

// How many bytes the next row is away, and the next one that the same thread copies. As parameters, they are
// operands of additions, where products of a stride would take registers.
struct RowDistances {
  int32_t next;
  int64_t next_of_thread;
};

struct ForwardParameters {
  DeviceAttention attention;
  Entries<ForwardEntry> entries;
  int32_t column_tiles;  // of the values: 1 unless they are wider than a block's outputs
  RowDistances key_distances, value_distances;
  bool query_aligned;   // rows of queries begin at multiples of 16 bytes
  bool aligned;         // rows of keys and values do, too
  bool output_aligned;  // and rows of outputs
  MaskTiles mask_tiles;
  bool mask_aligned;  // keys of a mask are neighbours, and every fourth is aligned to four elements
};

// A block has a tile of rows of one query head. Blocks that read the same keys are consecutive, so that the
// keys stay in the second-level cache. Within a key head, the last rows come first, because they have the
// most keys if attention is causal.
template <class Sizes>
struct ForwardBlock {
  Sequence sequence;
  int32_t batch, head, key_head;
  int64_t first_row;  // among the sequence's query steps
  int32_t rows;       // that exist
  int32_t first_column, columns;
  KeyRange keys;   // keys that some row may attend
  KeyRange inner;  // keys that every row may attend, considering ranges only

  __device__ __forceinline__ explicit ForwardBlock(const ForwardParameters& p) {
    const DeviceAttention& a = p.attention;
    const ForwardEntry& entry =
        entry_at(p.entries, block::index(), [](const ForwardEntry& e) { return e.first_block; });
    sequence = entry.sequence;
    batch = entry.batch;
    const auto within = static_cast<int32_t>(block::index() - entry.first_block);
    const int32_t group_heads = a.query_heads / a.key_heads, tile = within / p.column_tiles;
    first_column = within % p.column_tiles * Sizes::value_columns;
    const int32_t left = a.value_width - first_column;
    columns = left < Sizes::value_columns ? left : Sizes::value_columns;
    key_head = tile / group_heads / entry.row_tiles;
    head = key_head * group_heads + tile % group_heads;
    first_row = int64_t{entry.row_tiles - 1 - tile / group_heads % entry.row_tiles} * Sizes::rows;
    const int64_t rows_left = sequence.query_steps - first_row;
    rows = rows_left < Sizes::rows ? static_cast<int32_t>(rows_left) : Sizes::rows;

    const auto all_keys = static_cast<int32_t>(sequence.key_steps);
    const int64_t last_position = first_position() + rows - 1;
    keys = keys_of_some_row(a.scoring.window, first_position(), last_position, all_keys);
    if (a.scoring.mask.data != nullptr)
      keys.first = keys.first / Sizes::keys * Sizes::keys;  // aligned to tiles
    inner = keys_of_every_row(a.scoring.window, first_position(), last_position, all_keys);
  }

  // The position of the first row.
  __device__ __forceinline__ int64_t first_position() const { return sequence.query_offset + first_row; }

  // The address at which a row of a view begins.
  template <class Pointer>
  __device__ __forceinline__ int64_t query_offset(const BasicView<Pointer>& view) const {
    return batch * view.batch_stride + head * view.head_stride +
           (sequence.query_start + first_row) * view.step_stride;
  }
  __device__ __forceinline__ int64_t key_offset(const View& view) const {
    return batch * view.batch_stride + key_head * view.head_stride + sequence.key_start * view.step_stride;
  }
};

}  // namespace heed::cuda
