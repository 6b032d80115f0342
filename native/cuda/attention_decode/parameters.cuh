// The parameters of attention_decode, and the part of the work that a block does.
#pragma once

#include <cstdint>

#include "cuda/attention_decode/split.h"
#include "cuda/attention_parameters.h"
#include "cuda/common/entry_at.cuh"
#include "cuda/common/key_range.h"
#include "cuda/device/block.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

struct DecodeParameters {
  DeviceAttention attention;
  Entries<DecodeEntry> entries;
  bool aligned;                    // rows of keys, values and queries begin at multiples of 16 bytes
  bool mask_aligned;               // the mask's rows do, too, and its keys are neighbours
  float* partial_outputs;          // [partials, partial_width]
  Vector<float, 2>* partial_sums;  // [partials]: the maximum, in log2 units, and the sum relative to it
  int32_t partial_width;
  int64_t divided_rows;  // of all entries with several chunks
};

struct DecodeBlock {
  DecodeEntry entry;
  int32_t key_head, chunk;
  int32_t first_row;                      // among the (step, head) pairs that share the key head
  int64_t first_position, last_position;  // of its rows
  int32_t first_key, last_key;            // of the chunk, without those at its ends that no row may attend

  // Blocks of different rows that read the same keys are consecutive. The last rows come first, because they
  // have the most keys where attention is causal.
  __device__ __forceinline__ explicit DecodeBlock(const DecodeParameters& p) {
    entry = entry_at(p.entries, block::index(), [](const DecodeEntry& e) { return e.first_block; });
    const auto within = static_cast<int32_t>(block::index() - entry.first_block);
    first_row = (entry.row_tiles - 1 - within % entry.row_tiles) * decode_rows;
    chunk = within / entry.row_tiles % entry.chunks;
    key_head = within / entry.row_tiles / entry.chunks;
    first_key = entry.first_key + chunk * entry.chunk_keys;
    const int32_t keys_left = entry.last_key - first_key;
    last_key = first_key + (keys_left < entry.chunk_keys ? keys_left : entry.chunk_keys);

    const int32_t group_heads = p.attention.query_heads / p.attention.key_heads;
    const int64_t rows = entry.sequence.query_steps * group_heads, end = int64_t{first_row} + decode_rows;
    first_position = entry.sequence.query_offset + first_row / group_heads;
    last_position = entry.sequence.query_offset + ((end < rows ? end : rows) - 1) / group_heads;
    const KeyRange attended =
        keys_of_some_row(p.attention.scoring.window, first_position, last_position, last_key);
    last_key = attended.last;
    if (attended.first > first_key)
      first_key += (attended.first - first_key) / most_decode_tile_keys * most_decode_tile_keys;
  }
};

// A row of a block: the step and the head of a query.
struct DecodeQuery {
  int64_t step;
  int32_t head;
  bool exists;
  __device__ __forceinline__ DecodeQuery(const DecodeParameters& p, const DecodeBlock& block, int32_t row) {
    const int32_t group_heads = p.attention.query_heads / p.attention.key_heads;
    const int64_t pair = int64_t{block.first_row} + row;
    step = pair / group_heads;
    head = block.key_head * group_heads + static_cast<int32_t>(pair % group_heads);
    exists = step < block.entry.sequence.query_steps;
  }
  // The index among the rows of the entry.
  __device__ __forceinline__ int64_t row_of(const DecodeEntry& entry) const {
    return head * entry.sequence.query_steps + step;
  }
};

}  // namespace heed::cuda
