// The amount of work per block of each kernel: all tile sizes, with their reasons. None has been measured on
// a GPU yet. Each follows from the limits of GPUs of compute capability 8.0 or later: 255 registers a thread,
// 64 warps and 164 KiB of shared memory on an A100's multiprocessor, and 99 KiB of shared memory for a block
// on the smallest of them (8.6, 8.9). docs/cuda.md gives the register counts of nvcc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace heed::cuda {

// The maximum number of elements of a key or value head, except in attention_rows.
constexpr int64_t widest_head = 512;

constexpr int most_shared_bytes_of_block = 99 * 1024;
constexpr int most_shared_bytes_of_multiprocessor = 228 * 1024;  // an H100's
constexpr int reserved_shared_bytes = 1024;                      // that a block takes beside what it asks for

// The number of tiles, or blocks, that `count` needs.
constexpr int64_t tiles_of(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

// The row of a table for elements of `bytes` bytes. Its width is that of a tile: the maximum number of
// elements of a key or a value.
template <class Row, size_t rows>
constexpr Row tile_sizes_of(const Row (&table)[rows], int element_bytes, int width) {
  for (const Row& row : table) {
    if (row.element_bytes == element_bytes && row.width == width) return row;
  }
  return {};
}

// Calls f with the smallest width in the tables that both keys and values fit into, as a constant.
template <class F>
void with_tile_width(int64_t key_width, int64_t value_width, F f) {
  const int64_t width = key_width > value_width ? key_width : value_width;
  if (width <= 64) return f(std::integral_constant<int, 64>{});
  if (width <= 128) return f(std::integral_constant<int, 128>{});
  if (width <= 256) return f(std::integral_constant<int, 256>{});
  f(std::integral_constant<int, widest_head>{});
}

// ── attention_forward ──
// Each of 4 warps has its own query rows and iterates over tiles of keys and values, which the block shares.
// A lane's outputs and scores take warp_rows · (value_columns + keys) / 32 registers; the rest are for
// fragments, addresses, biases and masks, so biased and masked scores get smaller tiles at some widths.
// Shared memory holds the queries and one tile each of keys and values. Warps with 32 rows read half as much
// of it for a product as warps with 16. What each tile costs anyway is divided by its keys.

constexpr int forward_warps = 4;
constexpr int forward_blocks_at_once = 2;  // per multiprocessor, if registers permit

enum class ForwardVariant { plain, biased, masked };

struct ForwardTileSizes {
  struct Variant {
    int warp_rows, keys;
  };
  int element_bytes;
  int width;
  Variant plain, biased, masked;
  int value_columns;  // per block: wider values are computed by several blocks

  constexpr const Variant& variant(ForwardVariant variant) const {
    return variant == ForwardVariant::plain ? plain : variant == ForwardVariant::biased ? biased : masked;
  }
  constexpr int sum_registers(ForwardVariant of) const {
    const Variant& sizes = variant(of);
    return sizes.warp_rows * (value_columns + sizes.keys) / 32;
  }
  constexpr int tile_bytes(ForwardVariant of) const {
    const Variant& sizes = variant(of);
    const int query_elements = forward_warps * sizes.warp_rows * width;
    return (query_elements + sizes.keys * (width + value_columns)) * element_bytes;
  }
};

// clang-format off
constexpr ForwardTileSizes forward_tile_sizes[] = {
    // bytes, width, plain {warp_rows, keys}, biased, masked, value_columns
    {2,  64, {32, 64}, {32, 64}, {32, 32},  64},  // 128 and  96 registers, 32 and 24 KiB: with masks, 128 spill
    {2, 128, {32, 64}, {16, 64}, {16, 64}, 128},  // 192 and  96 registers, 64 and 48 KiB: 192 leave no others
    {2, 256, {16, 32}, {16, 32}, {16, 32}, 256},  // 144 registers, 64 KiB: 32 rows take 256 for outputs alone
    {2, 512, {16, 16}, {16, 16}, {16, 16}, 256},  // 136 registers, 88 KiB: 32 keys would take 112 KiB
    {4,  64, {32, 32}, {32, 32}, {32, 32},  64},  //  96 registers, 48 KiB
    {4, 128, {32, 16}, {16, 32}, {16, 32}, 128},  // 144 and  80 registers, 80 and 64 KiB: 32 × 32 would take 96
                                                  //   KiB, so that one block fits instead of two
    {4, 256, {16, 16}, {16, 16}, {16, 16}, 256},  // 136 registers, 96 KiB: 32 keys would take 128 KiB
    {4, 512, { 8,  8}, { 8,  8}, { 8,  8}, 256},  //  66 registers, 88 KiB: 16 rows a warp would take 128 KiB
};
// clang-format on

// ── attention_decode ──
// A block has 16 query rows, like a matrix instruction, and two stages of keys and values in shared memory.
// The keys of a stage take 16 KiB, so that two blocks fit onto an A100 and three onto an H100, whose
// multiprocessor has 228 KiB: this keeps enough data in flight to hide the memory's latency. A tile has at
// least as many keys as a product with the values takes at once (16 of 16 bits, 8 of float32), and at most
// 64, which divides the length of chunks.

constexpr int decode_rows = 16;
constexpr int decode_warps = 4;
constexpr int decode_blocks_at_once = 3;  // per multiprocessor at most: this leaves a thread 168 registers
constexpr int most_decode_tile_keys = 64;

struct DecodeTileSizes {
  int element_bytes;
  int width, keys;
};

// clang-format off
constexpr DecodeTileSizes decode_tile_sizes[] = {
    // bytes, width, keys
    {2,  64, 64},  //  8 KiB
    {2, 128, 64},  // 16 KiB
    {2, 256, 32},  // 16 KiB
    {2, 512, 16},  // 16 KiB
    {4,  64, 64},  // 16 KiB
    {4, 128, 32},  // 16 KiB
    {4, 256, 16},  // 16 KiB: the queries take as much beside them, so that one block fits onto an A100
    {4, 512,  8},  // 16 KiB: the queries take 32 KiB beside them, the same
};
// clang-format on

constexpr uint32_t combine_threads = 128;  // for each row: its 4 warps divide the chunks

// ── attention_rows ──
// A block copies a query into shared memory once, for so many keys that this is 1/512 of what it reads.

constexpr uint32_t rows_threads = 128;
constexpr int32_t rows_keys_per_block = 512;
constexpr int64_t widest_rows_query = 8192;  // of float32 takes 32 KiB, which needs no opt-in

// ── attention_choose ──
// The 16 rows of attention_decode. A lane has the sums of all of them for one key.

constexpr uint32_t choose_threads = 128;
constexpr int choose_blocks_at_once = 4;  // per multiprocessor

// ── fold_score ──
// A thread has 16 sums in registers, and reads their queries as vectors from shared memory: an element of W
// is used 16 times.

constexpr uint32_t fold_threads = 128;
constexpr int32_t fold_rows = 16;

// ── projection ──
// A block has 128 × 128 sums. For 16 bits, each of 4 warps has 64 × 64 of them, which are 128 registers a
// lane; for float32, each of 256 threads has 8 × 8, since FMA needs its operands in registers as well. Every
// step of the inner dimension reads 64 bytes of a row of x and of W, 8 KiB each. Four stages of them take 64
// KiB, so that two blocks fit onto an A100: three stages are being copied while one is multiplied. At the end
// the sums replace the stages and fill them exactly.

constexpr uint32_t projection_tile = 128;  // rows, and columns
constexpr int projection_stages = 4;
constexpr uint32_t projection_threads = 128, projection_float_threads = 256;
constexpr uint32_t projection_band = 8;  // tiles of rows that pass through all columns together

// Up to 16 rows, as many as a matrix instruction has. With 32 columns per block, a weight of 4096 rows gives
// 128 blocks, which occupy an A100's 108 multiprocessors; 64 columns would leave it half idle.
constexpr uint32_t few_rows = 16, few_rows_columns = 32;
constexpr uint32_t few_rows_warps = 4, few_rows_threads = 32 * few_rows_warps;

constexpr uint32_t finish_heads_threads = 128;  // one warp for the heads of a row that share a norm

// ── norm ──
// A row has so many threads that each keeps two chunks of 16 bytes in registers: 256 threads for 4096
// elements of 16 bits. Rows of up to 64 chunks have a warp each. What a row has beyond 32 KiB is read again.

constexpr uint32_t most_norm_threads = 1024;
constexpr int32_t norm_chunks_of_thread = 2;
constexpr uint32_t norm_rows_per_block = 4;  // where each has a warp

// ── sample ──
// A block has a row of logits, which it reads several times: from the second-level cache, since the rows of a
// step of a model fit into it.

constexpr uint32_t sample_threads = 1024;
constexpr uint32_t sample_digit_bits = 11;  // bins of a pass: 16 KiB of shared memory
constexpr uint32_t penalise_threads = 256;
constexpr int64_t penalised_logits_per_block = 16 * penalise_threads;

// ── others ──
// Memory-bound kernels use a warp for each row, in blocks of 4 warps: 16 blocks fill the 64 warps of a
// multiprocessor, and a block ends early if there are few rows. A thread of cast has four elements, which it
// reads and writes at once.

constexpr uint32_t append_threads = 128;
// Per multiprocessor: for more of them, nvcc spills registers around its calls of 64-bit divisions.
constexpr int append_blocks_at_once = 12;
constexpr uint32_t quantise_threads = 256;  // 8 rows of keys of a head at once
constexpr uint32_t merge_threads = 128;
constexpr uint32_t copy_heads_threads = 128;
constexpr uint32_t mask_tiles_threads = 128;
constexpr uint32_t embed_threads = 128;  // a warp for 32 chunks of 16 bytes of a row
constexpr uint32_t pool_threads = 256;   // 8 warps divide the steps of a sequence, 32 chunks of its rows each
constexpr uint32_t cast_threads = 256;
constexpr int64_t cast_elements_per_block = 4 * cast_threads;

// ── constraints on the tables ──

namespace detail {

constexpr bool forward_tiles_fit() {
  for (const ForwardTileSizes& sizes : forward_tile_sizes) {
    for (const ForwardVariant variant :
         {ForwardVariant::plain, ForwardVariant::biased, ForwardVariant::masked}) {
      // The rest of the 255 registers is for fragments and addresses.
      if (sizes.sum_registers(variant) > 192) return false;
      if (sizes.tile_bytes(variant) + 4 > most_shared_bytes_of_block) return false;
    }
  }
  return true;
}
static_assert(forward_tiles_fit());

constexpr bool decode_tiles_fit() {
  for (const DecodeTileSizes& sizes : decode_tile_sizes) {
    if (sizes.keys * sizes.width * sizes.element_bytes > 16384) return false;
    if (sizes.keys > most_decode_tile_keys) return false;
  }
  return true;
}
static_assert(decode_tiles_fit());

}  // namespace detail

}  // namespace heed::cuda
