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
  int64_t first_row = 0;      // among the rows of all entries with several chunks
  int64_t first_partial = 0;  // one for each row and chunk, if there are several chunks
  int32_t first_key = 0, last_key = 0;
  int32_t chunk_keys = 0;
  int32_t chunks = 1;
  int32_t row_tiles = 0;
};

struct DecodeSplit {
  std::vector<DecodeEntry> entries;  // entries with rows
  // An entry with several chunks has query_heads · query_steps rows to combine, and a partial result for each
  // of them and each chunk.
  int64_t blocks = 0, divided_rows = 0, partials = 0;
};

// `blocks_held`: the number of blocks that the device holds at once. A sequence is divided into as many
// chunks as fill the device if it is alone there, whatever else is in its batch: so it comes to the same bits
// in every batch. One that fills the device with its rows is not divided.
DecodeSplit split_of(const AttentionProblem& problem, int64_t blocks_held);

}  // namespace heed::cuda
