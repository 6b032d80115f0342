// How attention_decode cuts the keys of each sequence, so that there is work for a whole GPU.
#pragma once

#include <cstdint>
#include <vector>

#include "core/problem.h"

namespace heed::cuda {

// Sequences that are longer are refused, so that keys are counted in 32 bits.
constexpr int64_t most_decode_keys = INT32_MAX - 4096;

// One batch entry: blocks for each key head, each chunk of the keys that some row may attend, and each tile
// of rows.
struct DecodeEntry {
  Sequence sequence;
  int32_t batch = 0;
  int64_t first_block = 0;
  int64_t first_row = 0;      // of all rows of all entries, query_heads · query_steps of them here
  int64_t first_partial = 0;  // one for each row and chunk, where there are several chunks
  int32_t first_key = 0, last_key = 0;
  int32_t chunk_keys = 0;
  int32_t chunks = 1;
  int32_t row_tiles = 0;
};

struct DecodeSplit {
  std::vector<DecodeEntry> entries;  // those with rows
  int64_t blocks = 0, rows = 0, partials = 0;
};

// The chunks follow from each sequence alone. Whoever wants to be fastest says how many blocks the GPU runs
// at a time: then chunks are chosen to fill it, results depend on the batch, and differ in their last bits.
// 0: they do not.
DecodeSplit split_of(const AttentionProblem& problem, int64_t blocks_at_once);

}  // namespace heed::cuda
