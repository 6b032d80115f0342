// Keys and values of int8 or float8, in the pages of a cache, with queries of 16 bits. Rows arrive in shared
// memory as they are stored, and each thread converts what it has copied itself, so that no barrier is needed
// between the two. The scale of a key multiplies its scores, and that of a value its weights
// (row_scales.cuh).
//
//   scales_of(key)              the scales of the thread's rows, of the tile that begins at a key; is called
//                               before the block waits
//   convert(tile, scales, key)  converts the thread's part of the tile, which has arrived
//   scale(fragment)             multiplies scores or weights of the tile, once all threads have converted it
//   are_converted               whether they need shared memory beside the tiles
#pragma once

#include <cstdint>

#include "cuda/attention_forward/rows.cuh"
#include "cuda/common/dequantise.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

template <class T, class Sizes, int columns>
class QuantisedRows {
 public:
  using Tile = SharedTile<T, columns>;

 private:
  using Own = OwnChunks<Tile, Sizes::keys, Sizes::threads>;
  using Places = RowsInPages<int8_t, Sizes, Tile, Own>;
  static constexpr int row_steps = Places::row_steps, row_chunks = Tile::chunks / Own::across;
  static constexpr int chunk_bytes = Tile::per_chunk;  // as stored

 public:
  static constexpr bool are_converted = true;
  static constexpr size_t stored_bytes = size_t{Sizes::keys} * columns;
  using Found = typename Places::Found;
  struct Scales {
    float of[row_steps];
  };

  __device__ __forceinline__ QuantisedRows(const ForwardSource& source, const ForwardBlock<Sizes>& block)
      : places_(source, block, own_),
        row_scales_(source.pages, block.batch, block.key_head, block.sequence.key_start),
        stored_(source.stored + static_cast<int>(thread::index()) * chunk_bytes),
        scales_(source.scales),
        type_(source.view.type),
        last_key_(block.keys.last - 1),
        first_column_(source.first_column),
        width_(source.width) {}

  __device__ __forceinline__ Found find(int32_t key) const { return places_.find(key); }

  __device__ __forceinline__ void copy_rows(Tile, const Found& found, int32_t count) const {
    if (count <= 0) return;
#pragma unroll
    for (int i = 0; i < row_steps; ++i) {
      const uint32_t bytes = own_.row + i * Own::down < count ? chunk_bytes : 0;
#pragma unroll
      for (int c = 0; c < row_chunks; ++c) {
        if (is_used(c)) thread::copy_async<chunk_bytes>(stored(i, c), found.row(i) + offset(c), bytes);
      }
    }
  }

  __device__ __forceinline__ Scales scales_of(int32_t key) const {
    Scales scales;
#pragma unroll
    for (int i = 0; i < row_steps; ++i) scales.of[i] = *row_scales_.of(key_of(key, i));
    return scales;
  }

  template <class Scale>
  __device__ __forceinline__ void convert(Tile tile, const Scales& scales, int32_t key) const {
#pragma unroll
    for (int i = 0; i < row_steps; ++i) {
      const Scale scale(scales.of[i]);
      if (own_.chunk == 0) scales_[own_.row + i * Own::down] = scale.weight;
      const RowOutliers outliers = row_scales_.outliers(key_of(key, i));
#pragma unroll 1
      for (int c = 0; c < row_chunks; ++c) {
        if (!is_used(c)) break;
        T* chunk = tile.chunk(own_.start, i * Own::down, c * Own::across);
        const int channel = first_column_ + (own_.chunk + c * Own::across) * Tile::per_chunk;
        if (type_ == DType::float8)
          dequantise(reinterpret_cast<const Float8*>(stored(i, c)), channel, outliers, scale, chunk);
        else
          dequantise(stored(i, c), channel, outliers, scale, chunk);
      }
    }
  }

  template <class Fragment>
  __device__ __forceinline__ void scale(Fragment& fragment) const {
#pragma unroll
    for (int j = 0; j < Fragment::elements; j += 2) {
      const auto pair = thread::load_shared<2>(scales_ + Fragment::column(j));
#pragma unroll
      for (int i = 0; i < Fragment::rows; ++i) {
        fragment.at(i, j) *= pair[0];
        fragment.at(i, j + 1) *= pair[1];
      }
    }
  }

 private:
  // Keys beyond the last one are the last one; zeros stand for their elements.
  __device__ __forceinline__ int32_t key_of(int32_t key, int i) const {
    const int32_t own = key + own_.row + i * Own::down;
    return own < last_key_ ? own : last_key_;
  }
  __device__ __forceinline__ static constexpr int offset(int c) {
    return c * Own::across * Tile::per_chunk;
  }
  __device__ __forceinline__ bool is_used(int c) const {
    return (own_.chunk + c * Own::across) * Tile::per_chunk < width_;
  }
  // The thread's c-th chunk of its i-th row. Neighbouring threads have neighbouring chunks.
  __device__ __forceinline__ int8_t* stored(int i, int c) const {
    return stored_ + (i * row_chunks + c) * (Sizes::threads * chunk_bytes);
  }

  Own own_;
  Places places_;
  RowScales row_scales_;
  int8_t* stored_;
  float* scales_;
  DType type_;
  int32_t last_key_, first_column_, width_;
};

}  // namespace heed::cuda
