// Shared memory of attention_decode: the queries, two stages of keys and values, the data that warps
// exchange, and a mask.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/attention_decode/parameters.cuh"
#include "cuda/common/shared_tile.cuh"
#include "cuda/device/block.cuh"
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

  // How many blocks fit onto a multiprocessor with so much shared memory, as far as more are of use.
  static constexpr int blocks_at_once(size_t shared_bytes_of_multiprocessor) {
    const auto fitting =
        static_cast<int>(shared_bytes_of_multiprocessor / (shared_bytes + reserved_shared_bytes));
    return std::clamp(fitting, 1, decode_blocks_at_once);
  }
  // Threads may have more registers where not even an H100 has the shared memory for as many blocks.
  static constexpr int most_blocks_at_once = blocks_at_once(most_shared_bytes_of_multiprocessor);
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
  // What only some kernels have, and the mask, if there is one.
  __device__ __forceinline__ unsigned char* end() const {
    return reinterpret_cast<unsigned char*>(statistics(Sizes::warps));
  }
};

}  // namespace heed::cuda
