// Shared memory of attention_forward: one tile each of queries, keys and values, and when they are filled.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/attention_forward/parameters.cuh"
#include "cuda/attention_forward/quantised_rows.cuh"
#include "cuda/attention_forward/rows.cuh"
#include "cuda/common/shared_tile.cuh"
#include "cuda/common/special_values.cuh"
#include "cuda/device/atomic.cuh"
#include "cuda/device/block.cuh"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

// The sizes from tile_sizes.h, and the offsets of tiles in shared memory.
template <class T, int width_, ForwardVariant variant>
struct ForwardTiles {
  static constexpr ForwardTileSizes sizes = tile_sizes_of(forward_tile_sizes, int{sizeof(T)}, width_);
  static constexpr int width = width_, warps = forward_warps, threads = 32 * warps;
  static constexpr int value_columns = sizes.value_columns;
  static constexpr int warp_rows = sizes.variant(variant).warp_rows, rows = warps * warp_rows;
  static constexpr int keys = sizes.variant(variant).keys;
  // Rows of keys or of values that the block copies at once.
  static constexpr int rows_at_once = OwnChunks<SharedTile<T, width>, keys, threads>::down;
  static_assert(rows_at_once == OwnChunks<SharedTile<T, value_columns>, keys, threads>::down);

  static constexpr size_t query_elements = rows * width, key_elements = keys * width;
  static constexpr size_t value_elements = keys * value_columns;
  static constexpr size_t tile_bytes = (query_elements + key_elements + value_elements) * sizeof(T);
  static constexpr size_t shared_bytes = tile_bytes + sizeof(int32_t);
  // With rows that are converted: the scales of keys and of values, and a tile of stored rows.
  static constexpr size_t scale_bytes = 2 * keys * sizeof(float);
  static constexpr size_t converted_bytes = tile_bytes + 16 + scale_bytes + size_t{keys} * width;
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
  // Only there if rows are converted.
  __device__ __forceinline__ float* scales() const { return reinterpret_cast<float*>(special() + 4); }
  __device__ __forceinline__ int8_t* stored() const {
    return reinterpret_cast<int8_t*>(scales()) + Sizes::scale_bytes;
  }
};

// Values are copied while scores are computed, and the next keys while values are multiplied.
template <class T, class Sizes, template <class, class, int> class Rows>
class ForwardPipeline {
 public:
  __device__ __forceinline__ ForwardPipeline(const ForwardParameters& p, const ForwardBlock<Sizes>& block,
                                             const ForwardMemory<T, Sizes>& memory)
      : p_(p),
        block_(block),
        memory_(memory),
        keys_({p.attention.key, p.attention.pages.key, p.key_distances, 0, p.attention.key_width, p.aligned,
               memory.stored(), memory.scales()},
              block),
        values_({p.attention.value, p.attention.pages.value, p.value_distances, block.first_column,
                 block.columns, p.aligned, memory.stored(), memory.scales() + Sizes::keys},
                block) {}

  __device__ __forceinline__ void start(int32_t first_key) const {
    const View& view = p_.attention.query;
    block::copy_strided_rows<Sizes::rows, Sizes::threads>(
        memory_.queries(), static_cast<const T*>(view.data) + block_.query_offset(view), view.step_stride,
        block_.rows, p_.attention.key_width, p_.query_aligned);
    if (thread::index() == 0) *memory_.special() = 0;
    clear_beyond<Sizes::keys, Sizes::threads>(memory_.keys(), p_.attention.key_width);
    clear_beyond<Sizes::keys, Sizes::threads>(memory_.values(), block_.columns);
    if (first_key < block_.keys.last)
      keys_.copy_rows(memory_.keys(), keys_.find(first_key), block_.keys.last - first_key);
    thread::commit_copies();
  }

  // When it returns, the keys have arrived, and all threads have finished the values before.
  __device__ __forceinline__ void next_keys(int32_t key) const {
    const auto found = values_.find(key);
    const auto scales = keys_.scales_of(key);
    thread::wait_for_copies<0>();
    keys_.template convert<KeyScale<T>>(memory_.keys(), scales, key);
    block::sync();
    values_.copy_rows(memory_.values(), found, block_.keys.last - key);
    thread::commit_copies();
  }

  // When it returns, the values have arrived, and all threads have finished the keys; those from `next_key`
  // on are copied next. If some row may not attend some key, each thread searches the values that it copied
  // for special ones; returns whether there are any.
  __device__ __forceinline__ bool next_values(int32_t key, int32_t next_key, bool look) const {
    const auto found_keys = keys_.find(next_key);
    const auto scales = values_.scales_of(key);
    thread::wait_for_copies<0>();
    values_.template convert<ValueScale<T>>(memory_.values(), scales, key);
    if (look) {
      bool found = false;
      const OwnValues own;
      own.each([&](int r, int c) { found |= is_used(own, c) && has_special(chunk_of(own, r, c)); });
      if (found) thread::atomic_exchange(memory_.special(), key + 1);
    }
    block::sync();
    keys_.copy_rows(memory_.keys(), found_keys, block_.keys.last - next_key);
    thread::commit_copies();
    return look && *memory_.special() == key + 1;
  }

  // Of the tile of keys or of values that has arrived, if its rows have scales.
  template <class Scores>
  __device__ __forceinline__ void scale_products(Scores& products) const {
    keys_.scale(products);
  }
  template <class Scores>
  __device__ __forceinline__ void scale_weights(Scores& weights) const {
    values_.scale(weights);
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
  // The chunks that the thread has copied.
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
  Rows<T, Sizes, Sizes::width> keys_;
  Rows<T, Sizes, Sizes::value_columns> values_;
};

}  // namespace heed::cuda
