// Shared memory of attention_decode: the queries, two stages of keys and values, the data that warps
// exchange, and a mask.
#pragma once

#include <cstdint>

#include "cuda/attention_decode/parameters.cuh"
#include "cuda/common/head_rows.cuh"
#include "cuda/common/operand_tile.cuh"
#include "cuda/common/shared_tile.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

// The sizes from tile_sizes.h, and the offsets of tiles in shared memory.
template <class T, int width_>
struct DecodeTiles {
  static constexpr int width = width_, warps = decode_warps, threads = 32 * warps;
  static constexpr int keys = tile_sizes_of(decode_tile_sizes, int{sizeof(T)}, width).keys;
  static constexpr int warp_keys = keys / warps < 8 ? 8 : keys / warps;  // keys whose scores a warp computes
  static constexpr int warp_columns = width / warps;                     // of the outputs
  // Rows of weights are spaced so that rows that are read together lie in different banks.
  static constexpr int weight_stride = sizeof(T) == 2 ? keys + 8 : keys / 16 * 16 + 8;

  static constexpr size_t query_elements = decode_rows * width, stage_elements = 2 * keys * width;
  static constexpr size_t weight_elements = decode_rows * weight_stride;
  static constexpr size_t shared_bytes = (query_elements + 2 * stage_elements + weight_elements) * sizeof(T) +
                                         warps * decode_rows * sizeof(float);  // without a mask
};

template <class T, class Sizes>
struct DecodeMemory {
  using Tile = SharedTile<T, Sizes::width>;
  T* base = block::shared_memory<T>();

  __device__ __forceinline__ Tile queries() const { return {base}; }
  __device__ __forceinline__ Tile keys(int stage) const {
    return {base + Sizes::query_elements + stage * Sizes::stage_elements};
  }
  __device__ __forceinline__ Tile values(int stage) const {
    return {keys(stage).data + Sizes::stage_elements / 2};
  }
  __device__ __forceinline__ T* weights() const { return keys(2).data; }
  // One number per row and warp.
  __device__ __forceinline__ float* statistics(uint32_t warp) const {
    return reinterpret_cast<float*>(weights() + Sizes::weight_elements) + warp * decode_rows;
  }
  // The mask, if there is one.
  __device__ __forceinline__ void* mask() const { return statistics(Sizes::warps); }
};

namespace block {

// Fills rows of a tile; row_at(row) is null for a row of zeros. Columns after `width` are zeros as far as
// products read.
template <int rows, int threads, class T, int columns, class RowAt>
__device__ __forceinline__ void copy_rows(SharedTile<T, columns> tile, int width, bool aligned,
                                          RowAt row_at) {
  using Tile = SharedTile<T, columns>;
  constexpr int product_width = 32;
  const int used = (width + product_width - 1) / product_width * product_width;
#pragma unroll
  for (int i = static_cast<int>(thread::index()); i < rows * Tile::chunks; i += threads) {
    const int row = i / Tile::chunks, chunk = i % Tile::chunks, column = chunk * Tile::per_chunk;
    if (column >= used) continue;
    const T* from = row_at(row);
    const int left = from == nullptr ? 0 : width - column;
    const uint32_t valid = left <= 0 ? 0 : left < Tile::per_chunk ? left : Tile::per_chunk;
    T* to = tile.chunk(row, chunk);
    if (valid == 0) {
      thread::store_shared(to, Vector<T, Tile::per_chunk>{});
    } else {
      thread::copy_chunk(to, from + column, valid, aligned);
    }
  }
}

}  // namespace block

// Loads keys and values one tile ahead.
template <class T, class Sizes>
class DecodePipeline {
 public:
  __device__ __forceinline__ DecodePipeline(const DecodeParameters& p, const DecodeBlock& block,
                                            const DecodeMemory<T, Sizes>& memory)
      : keys_(p.attention.key, p.attention.pages.key, block.entry.batch, block.key_head,
              block.entry.sequence.key_start),
        values_(p.attention.value, p.attention.pages.value, block.entry.batch, block.key_head,
                block.entry.sequence.key_start),
        memory_(memory),
        key_width_(p.attention.key_width),
        value_width_(p.attention.value_width),
        last_key_(block.last_key),
        aligned_(p.aligned) {}

  // Fills stage `tile` % 2 with the keys from first_key on, if there are any.
  __device__ __forceinline__ void start(int tile, int32_t first_key) const {
    if (first_key < last_key_) {
      const auto row_of = [&](const HeadRows& rows) {
        return [this, &rows, first_key](int row) {
          return first_key + row < last_key_ ? rows.template row<T>(first_key + row) : nullptr;
        };
      };
      block::copy_rows<Sizes::keys, Sizes::threads>(memory_.keys(tile % 2), key_width_, aligned_,
                                                    row_of(keys_));
      block::copy_rows<Sizes::keys, Sizes::threads>(memory_.values(tile % 2), value_width_, aligned_,
                                                    row_of(values_));
    }
    thread::commit_copies();
  }

  // When it returns, the tile started last has arrived, and all threads have finished the one before.
  __device__ __forceinline__ void next() const {
    thread::wait_for_copies<0>();
    block::sync();
  }

 private:
  HeadRows keys_, values_;
  DecodeMemory<T, Sizes> memory_;
  int key_width_, value_width_;
  int32_t last_key_;
  bool aligned_;
};

}  // namespace heed::cuda
