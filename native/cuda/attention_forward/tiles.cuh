// Shared memory of attention_forward: one tile each of queries, keys and values, and the copies that fill
// them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/attention_forward/parameters.cuh"
#include "cuda/common/shared_tile.cuh"
#include "cuda/common/special_values.cuh"
#include "cuda/device/atomic.cuh"
#include "cuda/device/block.cuh"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

// The sizes from tile_sizes.h, and the offsets of tiles in shared memory.
template <class T, int width_, bool biased>
struct ForwardTiles {
  static constexpr ForwardTileSizes sizes = tile_sizes_of(forward_tile_sizes, int{sizeof(T)}, width_);
  static constexpr int width = width_, warps = forward_warps, threads = 32 * warps;
  static constexpr int value_columns = sizes.value_columns;
  static constexpr int warp_rows = sizes.variant(biased).warp_rows, rows = warps * warp_rows;
  static constexpr int keys = sizes.variant(biased).keys;

  static constexpr size_t query_elements = rows * width, key_elements = keys * width;
  static constexpr size_t value_elements = keys * value_columns;
  static constexpr size_t shared_bytes =
      (query_elements + key_elements + value_elements) * sizeof(T) + sizeof(int32_t);
};

template <class T, class Sizes>
struct ForwardMemory {
  T* base = block::shared_memory<T>();

  __device__ __forceinline__ SharedTile<T, Sizes::width> queries() const { return {base}; }
  __device__ __forceinline__ SharedTile<T, Sizes::width> keys() const {
    return {base + Sizes::query_elements};
  }
  __device__ __forceinline__ SharedTile<T, Sizes::value_columns> values() const {
    return {keys().data + Sizes::key_elements};
  }
  // One more than the first key of the last tile in which special values were found.
  __device__ __forceinline__ int32_t* special() const {
    return reinterpret_cast<int32_t*>(values().data + Sizes::value_elements);
  }
};

// Values are copied while scores are computed, and the next keys while values are multiplied.
template <class T, class Sizes>
class ForwardPipeline {
 public:
  __device__ __forceinline__ ForwardPipeline(const ForwardParameters& p, const ForwardBlock<Sizes>& block,
                                             const ForwardMemory<T, Sizes>& memory)
      : p_(p), block_(block), memory_(memory) {}

  __device__ __forceinline__ void start(int32_t first_key) const {
    const View& view = p_.attention.query;
    block::copy_strided_rows<Sizes::rows, Sizes::threads>(
        memory_.queries(), static_cast<const T*>(view.data) + block_.query_offset(view), view.step_stride,
        block_.rows, p_.attention.key_width, p_.aligned);
    if (thread::index() == 0) *memory_.special() = 0;
    start_keys(first_key);
  }

  // When it returns, the keys have arrived, and all threads have finished the values before.
  __device__ __forceinline__ void next_keys(int32_t key) const {
    thread::wait_for_copies<0>();
    block::sync();
    start_values(key);
  }

  // When it returns, the values have arrived, and all threads have finished the keys; those from `next_key`
  // on are copied next. If some row may not attend some key, each thread searches the values that it copied
  // for special ones; returns whether there are any.
  __device__ __forceinline__ bool next_values(int32_t key, int32_t next_key, bool look) const {
    thread::wait_for_copies<0>();
    if (look) {
      bool found = false;
      const OwnValues own;
      own.each([&](int r, int c) { found |= is_used(own, c) && has_special(chunk_of(own, r, c)); });
      if (found) thread::atomic_exchange(memory_.special(), key + 1);
    }
    block::sync();
    start_keys(next_key);
    return look && *memory_.special() == key + 1;
  }

  // Afterwards the tile of queries is free, even if there were no keys.
  __device__ __forceinline__ void drain() const {
    thread::wait_for_copies<0>();
    block::sync();
  }

  // Called when all threads have added them.
  __device__ __forceinline__ void clear_special_values() const {
    block::sync();
    const OwnValues own;
    own.each_in_turn([&](int r, int c) {
      if (is_used(own, c)) clear_special(chunk_of(own, r, c));
    });
    block::sync();
  }

 private:
  __device__ __forceinline__ void start_keys(int32_t key) const {
    copy(memory_.keys(), p_.attention.key, key, 0, p_.attention.key_width);
  }
  __device__ __forceinline__ void start_values(int32_t key) const {
    copy(memory_.values(), p_.attention.value, key, block_.first_column, block_.columns);
  }
  template <class Tile>
  __device__ __forceinline__ void copy(Tile tile, const View& view, int32_t key, int32_t column,
                                       int32_t width) const {
    const int32_t left = block_.keys.last - key;
    if (left > 0) {
      block::copy_strided_rows<Sizes::keys, Sizes::threads>(
          tile, static_cast<const T*>(view.data) + block_.key_offset(view) + key * view.step_stride + column,
          view.step_stride, left, width, p_.aligned);
    }
    thread::commit_copies();
  }

  // The chunks that copy_strided_rows assigns to the thread.
  using OwnValues = OwnChunks<SharedTile<T, Sizes::value_columns>, Sizes::keys, Sizes::threads>;
  __device__ __forceinline__ bool is_used(const OwnValues& own, int c) const {
    return (own.chunk + c) * memory_.values().per_chunk < block_.columns;
  }
  __device__ __forceinline__ T* chunk_of(const OwnValues& own, int r, int c) const {
    return memory_.values().chunk(own.start, r, c);
  }

  const ForwardParameters& p_;
  const ForwardBlock<Sizes>& block_;
  ForwardMemory<T, Sizes> memory_;
};

}  // namespace heed::cuda
