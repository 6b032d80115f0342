// What attention_forward is told, and which part of it is a block's.
#pragma once

#include <cstdint>

#include "cuda/attention_parameters.h"
#include "cuda/device/block.cuh"
#include "cuda/kernels/mask_tiles.cuh"
#include "cuda/kernels/score_row.cuh"

namespace heed::cuda {

// One batch entry that has query rows.
struct ForwardEntry {
  Sequence sequence;
  int32_t batch = 0;
  int32_t row_tiles = 0;
  int64_t first_block = 0;
};

struct ForwardParameters {
  DeviceAttention attention;
  const ForwardEntry* entries;  // on the device
  int32_t entry_count;
  int32_t column_tiles;  // of the values: 1, unless they are wider than a block's outputs
  bool aligned;          // rows of queries, keys and values begin at multiples of 16 bytes
  bool output_aligned;   // and those of outputs
  MaskTiles mask_tiles;
  bool mask_aligned;  // keys of a mask are neighbours, and each fourth is aligned as four are
};

// A block has a tile of rows of one query head. Blocks that read the same keys come one after the other, so
// that these stay in the second-level cache; of one key head's, the last rows first, which have the most keys
// where attention is causal.
template <class Sizes>
struct ForwardBlock {
  Sequence sequence;
  int32_t batch, head, key_head;
  int64_t first_row;  // of the sequence's query steps
  int32_t rows;       // that exist
  int32_t first_column, columns;
  int32_t first_key, last_key;              // that some row may attend
  int32_t inner_first_key, inner_last_key;  // that every row may attend, as far as ranges go

  __device__ __forceinline__ explicit ForwardBlock(const ForwardParameters& p) {
    const DeviceAttention& a = p.attention;
    const ForwardEntry& entry = entry_of_block(p);
    sequence = entry.sequence;
    batch = entry.batch;
    const auto within = static_cast<int32_t>(block::index() - entry.first_block);
    const int32_t group = a.query_heads / a.key_heads, tile = within / p.column_tiles;
    first_column = within % p.column_tiles * Sizes::value_columns;
    const int32_t left = a.value_width - first_column;
    columns = left < Sizes::value_columns ? left : Sizes::value_columns;
    key_head = tile / group / entry.row_tiles;
    head = key_head * group + tile % group;
    first_row = int64_t{entry.row_tiles - 1 - tile / group % entry.row_tiles} * Sizes::rows;
    const int64_t rows_left = sequence.query_steps - first_row;
    rows = rows_left < Sizes::rows ? static_cast<int32_t>(rows_left) : Sizes::rows;

    const auto keys = static_cast<int32_t>(sequence.key_steps);
    const int64_t first_position = sequence.query_offset + first_row,
                  last_position = first_position + rows - 1;
    first_key = ScoreRow::key_at(first_position - a.scoring.window.left, keys);
    if (a.scoring.mask.data != nullptr)
      first_key = first_key / Sizes::keys * Sizes::keys;  // as its tiles are
    last_key = ScoreRow::key_at(last_position + a.scoring.window.right + 1, keys);
    inner_first_key = ScoreRow::key_at(last_position - a.scoring.window.left, keys);
    inner_last_key = ScoreRow::key_at(first_position + a.scoring.window.right + 1, keys);
  }

  // Where a row of a view begins.
  template <class Pointer>
  __device__ __forceinline__ int64_t query_offset(const BasicView<Pointer>& view) const {
    return batch * view.batch_stride + head * view.head_stride +
           (sequence.query_start + first_row) * view.step_stride;
  }
  __device__ __forceinline__ int64_t key_offset(const View& view) const {
    return batch * view.batch_stride + key_head * view.head_stride + sequence.key_start * view.step_stride;
  }

 private:
  __device__ __forceinline__ static const ForwardEntry& entry_of_block(const ForwardParameters& p) {
    int32_t low = 0, high = p.entry_count;
    while (high - low > 1) {
      const int32_t middle = (low + high) / 2;
      (p.entries[middle].first_block <= block::index() ? low : high) = middle;
    }
    return p.entries[low];
  }
};

}  // namespace heed::cuda
