#include "cuda/attention_decode/split.h"

#include <algorithm>

#include "cuda/common/key_range.h"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

namespace {

// A chunk reads the queries, and its outputs are written and read again as float32. Chunks are long enough
// that this traffic is less than 5 % of the keys and values read.
constexpr double most_beside_keys = 0.0375;
constexpr int64_t fewest_chunk_keys = 256;
constexpr int64_t most_chunks = 64;

// How many keys a chunk needs per row of its tile to keep the other traffic small.
double chunk_keys_per_row(const AttentionProblem& problem) {
  const auto width = static_cast<double>(problem.key_width);
  const auto value_width = static_cast<double>(problem.value_width);
  const auto element = static_cast<double>(size_of(problem.key.type));
  return (width * element + value_width * 2 * sizeof(float)) /
         (most_beside_keys * (width + value_width) * element);
}

int64_t chunks_for(const AttentionProblem& problem, const DecodeEntry& entry) {
  const int64_t keys = entry.last_key - entry.first_key;
  const int64_t rows = entry.sequence.query_steps * (problem.query_heads / problem.key_heads);
  const double chunk_keys =
      chunk_keys_per_row(problem) * static_cast<double>(std::min<int64_t>(rows, decode_rows));
  const auto frugal = static_cast<int64_t>(static_cast<double>(keys) / chunk_keys);
  return std::clamp<int64_t>(frugal, 1, most_chunks);
}

int32_t chunk_keys_for(int64_t keys, int64_t chunks) {
  const int64_t even = tiles_of(tiles_of(keys, chunks), most_decode_tile_keys) * most_decode_tile_keys;
  return static_cast<int32_t>(std::max(fewest_chunk_keys, even));
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

DecodeSplit split_of(const AttentionProblem& problem, int64_t blocks_at_once) {
  DecodeSplit split;
  const KeyWindow& window = problem.scoring.window;
  int64_t undivided = 0;
  for (size_t batch = 0; batch < problem.sequences.size(); ++batch) {
    const Sequence& sequence = problem.sequences[batch];
    if (sequence.query_steps == 0) continue;
    split.entries.push_back(entry_of(problem, sequence, window));
    split.entries.back().batch = static_cast<int32_t>(batch);
    undivided += problem.key_heads * split.entries.back().row_tiles;
  }
  for (DecodeEntry& entry : split.entries) {
    const int64_t keys = entry.last_key - entry.first_key;
    const int64_t rows = problem.query_heads * entry.sequence.query_steps;
    const int64_t chunks =
        blocks_at_once > 0 ? std::max<int64_t>(1, blocks_at_once / undivided) : chunks_for(problem, entry);
    entry.chunk_keys = chunk_keys_for(keys, std::min(chunks, most_chunks));
    entry.chunks = static_cast<int32_t>(std::max<int64_t>(1, tiles_of(keys, entry.chunk_keys)));
    entry.first_block = split.blocks;
    entry.first_row = split.rows;
    entry.first_partial = split.partials;
    split.blocks += problem.key_heads * entry.row_tiles * entry.chunks;
    split.rows += rows;
    if (entry.chunks > 1) split.partials += rows * entry.chunks;
  }
  return split;
}

}  // namespace heed::cuda
