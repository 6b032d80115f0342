#include "cuda/attention_decode/split.h"

#include <algorithm>

#include "cuda/common/key_range.h"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

namespace {

// A chunk reads the queries, and its outputs are written and read again as float32. Chunks are long enough
// that this traffic is less than a tenth of the keys and values read; most of it stays in the second-level
// cache.
constexpr double most_beside_keys = 0.1;

// How many keys a chunk needs per row of its tile to keep the other traffic small.
double chunk_keys_per_row(const AttentionProblem& problem) {
  const auto width = static_cast<double>(problem.key_width);
  const auto value_width = static_cast<double>(problem.value_width);
  const auto element = static_cast<double>(size_of(problem.key.type));
  return (width * element + value_width * 2 * sizeof(float)) /
         (most_beside_keys * (width + value_width) * element);
}

int64_t chunks_for(const AttentionProblem& problem, const DecodeEntry& entry, int64_t blocks_held) {
  const int64_t keys = entry.last_key - entry.first_key;
  const int64_t rows = entry.sequence.query_steps * (problem.query_heads / problem.key_heads);
  const double chunk_keys =
      chunk_keys_per_row(problem) * static_cast<double>(std::min<int64_t>(rows, decode_rows));
  const auto frugal = static_cast<int64_t>(static_cast<double>(keys) / chunk_keys);
  const int64_t filling = blocks_held / (problem.key_heads * entry.row_tiles);
  return std::max<int64_t>(1, std::min(frugal, filling));
}

int32_t chunk_keys_for(int64_t keys, int64_t chunks) {
  const int64_t tiles = std::max<int64_t>(1, tiles_of(tiles_of(keys, chunks), most_decode_tile_keys));
  return static_cast<int32_t>(tiles * most_decode_tile_keys);
}

DecodeEntry entry_of(const AttentionProblem& problem, const Sequence& sequence, const KeyWindow& window) {
  DecodeEntry entry;
  entry.sequence = sequence;
  const int64_t first_position = sequence.query_offset,
                last_position = first_position + sequence.query_steps - 1;
  const KeyRange keys =
      keys_of_some_row(window, first_position, last_position, static_cast<int32_t>(sequence.key_steps));
  entry.first_key = keys.first;
  entry.last_key = std::max(keys.first, keys.last);
  const int64_t rows = sequence.query_steps * (problem.query_heads / problem.key_heads);
  entry.row_tiles = static_cast<int32_t>(tiles_of(rows, decode_rows));
  return entry;
}

}  // namespace

DecodeSplit split_of(const AttentionProblem& problem, int64_t blocks_held) {
  DecodeSplit split;
  for (size_t batch = 0; batch < problem.sequences.size(); ++batch) {
    const Sequence& sequence = problem.sequences[batch];
    if (sequence.query_steps == 0) continue;
    DecodeEntry entry = entry_of(problem, sequence, problem.scoring.window);
    const int64_t keys = entry.last_key - entry.first_key;
    const int64_t rows = problem.query_heads * sequence.query_steps;
    entry.batch = static_cast<int32_t>(batch);
    entry.chunk_keys = chunk_keys_for(keys, chunks_for(problem, entry, blocks_held));
    entry.chunks = static_cast<int32_t>(std::max<int64_t>(1, tiles_of(keys, entry.chunk_keys)));
    entry.first_block = split.blocks;
    entry.first_row = split.divided_rows;
    entry.first_partial = split.partials;
    split.blocks += problem.key_heads * entry.row_tiles * entry.chunks;
    if (entry.chunks > 1) {
      split.divided_rows += rows;
      split.partials += rows * entry.chunks;
    }
    split.entries.push_back(entry);
  }
  return split;
}

}  // namespace heed::cuda
