// Splits the keys of each sequence for attention_decode, so that the work fills a GPU.
#pragma once

#include <cstdint>
#include <vector>

#include "core/problem.h"

namespace heed::cuda {

// Longer sequences are rejected, so that keys are counted in 32 bits.
constexpr int64_t most_decode_keys = INT32_MAX - 4096;

// One batch entry, with a block for each key head, each chunk of the keys that some row may attend, and each
// tile of rows.
struct DecodeEntry {
  Sequence sequence;
  int32_t batch = 0;
  int64_t first_block = 0;
  int64_t first_row = 0;      // among all rows of all entries; this entry has query_heads · query_steps rows
  int64_t first_partial = 0;  // one for each row and chunk, if there are several chunks
  int32_t first_key = 0, last_key = 0;
  int32_t chunk_keys = 0;
  int32_t chunks = 1;
  int32_t row_tiles = 0;
};

struct DecodeSplit {
  std::vector<DecodeEntry> entries;  // entries with rows
  int64_t blocks = 0, rows = 0, partials = 0;
};

// With `blocks_at_once` 0, the chunks depend on each sequence alone. Otherwise it is the number of blocks
// that the GPU runs at once, and chunks are chosen to fill it: this is fastest, but results depend on the
// batch and differ in their last bits.
DecodeSplit split_of(const AttentionProblem& problem, int64_t blocks_at_once);

}  // namespace heed::cuda
