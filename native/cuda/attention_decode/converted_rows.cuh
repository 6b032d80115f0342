// Keys and values of another type than the one that attention_decode multiplies: rows arrive in shared memory
// as they are stored, and are converted there, once for all queries of the block. Elements of scaled types
// are exact in every type: integers up to 127, times the factor of their channel, which is at most 64, and
// numbers of E4M3. The scale of a key multiplies its scores, and that of a value its weights (ValueScale has
// exceptions).
#pragma once

#include <cstdint>

#include "cuda/attention_decode/rows.cuh"
#include "cuda/common/dequantise.cuh"
#include "cuda/common/element_type.h"

namespace heed::cuda {

// Both kinds of rows have
//
//   with_bytes(f)  calls f with an ElementType as wide as those stored, to copy them
//   with_type(f)   calls f with the ElementType of those stored

// Pages of a scaled type, with rows as wide as the tile.
template <class T, class Sizes>
class QuantisedRows : public PagedRows<int8_t, Sizes> {
 public:
  using Factors = NoKeyFactors;
  static constexpr bool are_converted = true;
  static constexpr int chunks_at_once = 2;  // converted by a thread
  __device__ __forceinline__ QuantisedRows(const DecodeParameters& p, const DecodeBlock& block)
      : PagedRows<int8_t, Sizes>(p, block), type_(p.attention.key.type) {}

  template <class F>
  __device__ __forceinline__ void with_bytes(F f) const {
    f(ElementType<int8_t>{});
  }
  template <class F>
  __device__ __forceinline__ void with_type(F f) const {
    if (type_ == DType::float8) return f(ElementType<Float8>{});
    f(ElementType<int8_t>{});
  }

 private:
  DType type_;
};

// All others: of any type, width and alignment, contiguous or in pages.
template <class T, class Sizes>
class ConvertedRows : public AnyRows<T, Sizes> {
 public:
  static constexpr bool are_converted = true;
  static constexpr int chunks_at_once = 1;
  __device__ __forceinline__ ConvertedRows(const DecodeParameters& p, const DecodeBlock& block)
      : AnyRows<T, Sizes>(p, block), type_(p.attention.key.type) {}

  template <class F>
  __device__ __forceinline__ void with_bytes(F f) const {
    if (type_ == DType::float16 || type_ == DType::bfloat16) return f(ElementType<Float16>{});
    f(ElementType<int8_t>{});
  }
  template <class F>
  __device__ __forceinline__ void with_type(F f) const {
    switch (type_) {
      case DType::float16:
        return f(ElementType<Float16>{});
      case DType::bfloat16:
        return f(ElementType<BFloat16>{});
      case DType::float8:
        return f(ElementType<Float8>{});
      default:
        return f(ElementType<int8_t>{});
    }
  }

 private:
  DType type_;
};

// Loads keys and values one tile ahead, as DecodePipeline does, and converts a tile when it has arrived. The
// converted tile takes the place of one stage, and two stages of stored rows that of the other: their
// elements are at most half as wide.
template <class T, class Sizes, class Rows>
class ConvertingPipeline {
 public:
  using Tile = SharedTile<T, Sizes::width>;
  // Beside what all kernels take: a scale for each row of both stages.
  static constexpr size_t shared_bytes = 2 * 2 * Sizes::keys * sizeof(float);

  __device__ __forceinline__ ConvertingPipeline(const DecodeParameters& p, const DecodeBlock& block,
                                                const DecodeMemory<T, Sizes>& memory)
      : rows_(p, block),
        memory_(memory),
        key_scales_(p.attention.pages.key, block.entry.batch, block.key_head, block.entry.sequence.key_start),
        value_scales_(p.attention.pages.value, block.entry.batch, block.key_head,
                      block.entry.sequence.key_start),
        last_key_(block.last_key) {
    if (block.last_key - block.first_key >= Sizes::keys) rows_.prepare(block.first_key);
  }

  __device__ __forceinline__ void start(int tile, int32_t first_key) {
    const int32_t left = last_key_ - first_key;
    if (left <= 0) return thread::commit_copies();
    rows_.with_bytes([&](auto element) {
      using Stored = typename decltype(element)::type;
      const auto keys = stored<Stored>(tile, 0), values = stored<Stored>(tile, 1);
      if (left >= Sizes::keys) {
        rows_.copy(keys, values, first_key);
        if (left >= 2 * Sizes::keys) rows_.prepare(first_key + Sizes::keys);
      } else {
        rows_.copy_some(keys, values, first_key, left);
      }
    });
    if (key_scales_.exist()) copy_scales(tile, first_key, left);
    thread::commit_copies();
  }

  __device__ __forceinline__ void next() const {
    thread::wait_for_copies<0>();
    block::sync();
  }

  // Converts the tile that has arrived. All threads come to its end before one returns.
  __device__ __forceinline__ void convert(const DecodeParameters& p, int tile, int32_t first_key) const {
    rows_.with_type([&](auto element) {
      using Stored = typename decltype(element)::type;
      constexpr bool scaled = sizeof(Stored) == 1;
      each_chunk(Rows::key_width(p.attention), [&](int row, int chunk) {
        RowOutliers outliers;
        if (__is_same(Stored, int8_t) && first_key + row < last_key_)
          outliers = key_scales_.outliers(first_key + row);
        convert_chunk(stored<Stored>(tile, 0), keys(tile), row, chunk, KeyScale<T>(1), outliers);
      });
      each_chunk(Rows::value_width(p.attention), [&](int row, int chunk) {
        const ValueScale<T> scale(scaled ? scales(tile, 1)[row] : 1);
        convert_chunk(stored<Stored>(tile, 1), values(tile), row, chunk, scale, {});
      });
    });
    block::sync();
  }

  __device__ __forceinline__ Tile keys(int) const { return memory_.keys(0); }
  __device__ __forceinline__ Tile values(int) const { return memory_.values(0); }

  // Multiplies the products of keys from `from` of the tile on by their scales.
  template <class Scores>
  __device__ __forceinline__ void scale(Scores& scores, int tile, int from) const {
    if (!key_scales_.exist()) return;
    const float* of = scales(tile, 0) + from;
#pragma unroll
    for (int j = 0; j < Scores::elements; j += 2) {
      const auto pair = thread::load_shared<2>(of + Scores::column(j));
#pragma unroll
      for (int i = 0; i < Scores::rows; ++i) {
        scores.at(i, j) *= pair[0];
        scores.at(i, j + 1) *= pair[1];
      }
    }
  }

  // What the weights of two neighbouring keys of the tile are multiplied by.
  __device__ __forceinline__ Vector<float, 2> weight_factors(int tile, int key) const {
    if (!value_scales_.exist()) return {1, 1};
    const auto pair = thread::load_shared<2>(scales(tile, 1) + key);
    return {ValueScale<T>(pair[0]).weight, ValueScale<T>(pair[1]).weight};
  }

 private:
  // Stored keys or values of a stage.
  template <class Stored>
  __device__ __forceinline__ SharedTile<Stored, Sizes::width> stored(int tile, int which) const {
    return {reinterpret_cast<Stored*>(memory_.keys(1).data) +
            (tile % 2 * 2 + which) * (Sizes::keys * Sizes::width)};
  }
  __device__ __forceinline__ float* scales(int tile, int which) const {
    return reinterpret_cast<float*>(memory_.end()) + (tile % 2 * 2 + which) * Sizes::keys;
  }

  __device__ __forceinline__ void copy_scales(int tile, int32_t first_key, int32_t count) const {
#pragma unroll 1
    for (int i = static_cast<int>(thread::index()); i < 2 * Sizes::keys; i += Sizes::threads) {
      const int which = i / Sizes::keys, row = i % Sizes::keys;
      const bool exists = row < count;
      const int32_t key = exists ? first_key + row : first_key;
      thread::copy_async<4>(scales(tile, which) + row,
                            which == 0 ? key_scales_.of(key) : value_scales_.of(key), exists ? 4 : 0);
    }
  }

  // Calls f(row, chunk of the converted tile). Neighbouring threads have neighbouring chunks of a row.
  template <class F>
  __device__ __forceinline__ static void each_chunk(int width, F f) {
    const int used = (width + 31) / 32 * 32;
#pragma unroll Rows::chunks_at_once
    for (int i = static_cast<int>(thread::index()); i < Sizes::keys * Tile::chunks; i += Sizes::threads) {
      const int row = i / Tile::chunks, chunk = i % Tile::chunks;
      if (chunk * Tile::per_chunk < used) f(row, chunk);
    }
  }

  template <class Stored, class Scale>
  __device__ __forceinline__ static void convert_chunk(SharedTile<Stored, Sizes::width> from, Tile to,
                                                       int row, int chunk, const Scale& scale,
                                                       const RowOutliers& outliers) {
    constexpr int count = Tile::per_chunk, per_stored = SharedTile<Stored, Sizes::width>::per_chunk;
    const int column = chunk * count;
    const Stored* elements = from.chunk(row, column / per_stored) + column % per_stored;
    if constexpr (sizeof(Stored) == 1) {
      dequantise(elements, column, outliers, scale, to.chunk(row, chunk));
    } else {
      const auto stored = thread::load_shared<count>(elements);
      float numbers[count];
#pragma unroll
      for (int i = 0; i < count; ++i) numbers[i] = thread::to_float(stored[i]);
      store_chunk(to.chunk(row, chunk), numbers);
    }
  }

  Rows rows_;
  DecodeMemory<T, Sizes> memory_;
  RowScales key_scales_, value_scales_;
  int32_t last_key_;
};

}  // namespace heed::cuda
