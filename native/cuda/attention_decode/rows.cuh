// How a block of attention_decode copies the rows of a tile to shared memory: three kinds of source, one of
// which the launcher chooses. Each has
//
//   copy(keys, values, first_key)              copies a tile, all of whose keys are in the chunk
//   copy_some(keys, values, first_key, count)  copies `count` keys of the last tile, the others are zeros
//   prepare(first_key)                         called before a whole tile is copied, a tile ahead
//   key_width(a), value_width(a)               a constant where rows are as wide as the tile
//   are_converted                              whether they are stored in another type: converted_rows.cuh
//   Factors                                    what cosines multiply products with keys by: score.cuh
//
// Tiles come in their order, from the first key of the chunk on.
#pragma once

#include <cstdint>

#include "cuda/attention_decode/tiles.cuh"
#include "cuda/common/head_rows.cuh"
#include "cuda/common/operand_tile.cuh"
#include "cuda/common/score.cuh"
#include "cuda/common/shared_tile.cuh"
#include "cuda/device/async_copy.cuh"

namespace heed::cuda {

// Rows as wide as the tile, aligned to 16 bytes: only whole chunks are copied.
template <class T, class Sizes>
struct WholeRows {
  using Tile = SharedTile<T, Sizes::width>;
  using Own = OwnChunks<Tile, Sizes::keys, Sizes::threads>;
  using Factors = KeyFactors;
  static constexpr bool is_whole = true, are_converted = false;
  static constexpr int row_steps = Sizes::keys / Own::down;  // rows of a tile that a thread handles

  Own own;

  __device__ __forceinline__ static constexpr int key_width(const DeviceAttention&) { return Sizes::width; }
  __device__ __forceinline__ static constexpr int value_width(const DeviceAttention&) { return Sizes::width; }

  // The thread's chunks of one row, from its first one on.
  __device__ __forceinline__ void copy_row(Tile tile, int row, const char* from) const {
#pragma unroll
    for (int c = 0; c < Tile::chunks; c += Own::across)
      thread::copy_async<16>(tile.chunk(own.start, row, c), from + c * 16);
  }
  // The same with little code, for the one tile of a chunk that may end early. `bytes` is 16 or 0.
  __device__ __forceinline__ void copy_row(Tile tile, int row, const char* from, uint32_t bytes) const {
#pragma unroll 1
    for (int c = 0; c < Tile::chunks; c += Own::across)
      thread::copy_async<16>(tile.chunk(own.start, row, c), from + c * 16, bytes);
  }
};

// Of tensors.
template <class T, class Sizes>
class ContiguousRows : public WholeRows<T, Sizes> {
 public:
  using typename WholeRows<T, Sizes>::Own;
  using typename WholeRows<T, Sizes>::Tile;

  __device__ __forceinline__ ContiguousRows(const DecodeParameters& p, const DecodeBlock& block)
      : key_(p.attention.key, block, this->own), value_(p.attention.value, block, this->own) {}

  __device__ __forceinline__ void prepare(int32_t) {}

  __device__ __forceinline__ void copy(Tile keys, Tile values, int32_t) {
    copy(keys, key_);
    copy(values, value_);
  }
  __device__ __forceinline__ void copy_some(Tile keys, Tile values, int32_t, int32_t count) {
    copy_some(keys, key_, count);
    copy_some(values, value_, count);
  }

 private:
  struct Rows {
    const char* next;  // the thread's first chunk of the next tile
    int64_t stride;    // bytes from a row to the next
    __device__ __forceinline__ Rows(const View& view, const DecodeBlock& block, const Own& own)
        : next(static_cast<const char*>(view.data) +
               (block.entry.batch * view.batch_stride + block.key_head * view.head_stride +
                (block.entry.sequence.key_start + block.first_key + own.row) * view.step_stride) *
                   static_cast<int64_t>(sizeof(T)) +
               own.chunk * 16),
          stride(view.step_stride * static_cast<int64_t>(sizeof(T))) {}
  };

  __device__ __forceinline__ void copy(Tile tile, Rows& rows) {
#pragma unroll
    for (int r = 0; r < Sizes::keys; r += Own::down) {
      this->copy_row(tile, r, rows.next);
      rows.next += rows.stride * Own::down;
    }
  }
  __device__ __forceinline__ void copy_some(Tile tile, const Rows& rows, int32_t count) {
    const char* from = rows.next;
#pragma unroll 1
    for (int r = 0; r < Sizes::keys; r += Own::down) {
      const bool exists = this->own.row + r < count;
      this->copy_row(tile, r, exists ? from : rows.next - this->own.row * rows.stride, exists ? 16 : 0);
      from += rows.stride * Own::down;
    }
  }

  Rows key_, value_;
};

// Of a cache whose pages of keys are as those of values. A thread looks up the pages of its rows a tile
// before it copies them, so that it need not wait for what the table says.
template <class T, class Sizes>
class PagedRows : public WholeRows<T, Sizes> {
 public:
  using typename WholeRows<T, Sizes>::Own;
  using typename WholeRows<T, Sizes>::Tile;
  using WholeRows<T, Sizes>::row_steps;

  __device__ __forceinline__ PagedRows(const DecodeParameters& p, const DecodeBlock& block)
      : divisor_(p.attention.pages.key.divisor),
        keys_(p.attention.pages.key.data),
        values_(p.attention.pages.value.data),
        first_page_(static_cast<uint32_t>(p.attention.pages.key.first[block.entry.batch])),
        first_row_(static_cast<uint32_t>(block.entry.sequence.key_start) +
                   static_cast<uint32_t>(this->own.row)),
        stride_(static_cast<uint32_t>(p.attention.key.step_stride) * static_cast<uint32_t>(sizeof(T))),
        back_(0 - divisor_.value() * stride_),
        head_(static_cast<uint32_t>(block.key_head * p.attention.key.head_stride) *
                  static_cast<uint32_t>(sizeof(T)) +
              static_cast<uint32_t>(this->own.chunk) * 16) {}

  __device__ __forceinline__ void prepare(int32_t first_key) {
#pragma unroll
    for (int i = 0; i < row_steps; ++i) rows_[i] = row(first_key + i * Own::down);
  }

  __device__ __forceinline__ void copy(Tile keys, Tile values, int32_t) {
#pragma unroll
    for (int i = 0; i < row_steps; ++i) {
      this->copy_row(keys, i * Own::down, rows_[i].key + rows_[i].offset);
      this->copy_row(values, i * Own::down, rows_[i].value + rows_[i].offset);
    }
  }
  __device__ __forceinline__ void copy_some(Tile keys, Tile values, int32_t first_key, int32_t count) {
#pragma unroll 1
    for (int i = 0; i < row_steps; ++i) {
      const bool exists = this->own.row + i * Own::down < count;
      const Row found = row(exists ? first_key + i * Own::down : first_key - this->own.row);
      this->copy_row(keys, i * Own::down, found.key + found.offset, exists ? 16 : 0);
      this->copy_row(values, i * Own::down, found.value + found.offset, exists ? 16 : 0);
    }
  }

 private:
  // A row in its pages.
  struct Row {
    const char *key = nullptr, *value = nullptr;
    uint32_t offset = 0;
  };

  // The thread's row of the tile that begins at a key.
  __device__ __forceinline__ Row row(int32_t key) const {
    const uint32_t step = first_row_ + static_cast<uint32_t>(key), page = divisor_.quotient(step);
    return {static_cast<const char*>(keys_[first_page_ + page]),
            static_cast<const char*>(values_[first_page_ + page]), head_ + step * stride_ + page * back_};
  }

  Divisor divisor_;
  void* const* keys_;
  void* const* values_;
  uint32_t first_page_, first_row_;
  // Modulo 2^32: only their sum is a place in a page.
  uint32_t stride_, back_, head_;  // bytes from a row to the next, back by a page, and to the thread's chunk
  Row rows_[row_steps];            // of the next tile, if it is whole
};

// All others: of any width and alignment.
template <class T, class Sizes>
class AnyRows {
 public:
  using Factors = KeyFactors;
  static constexpr bool is_whole = false, are_converted = false;

  __device__ __forceinline__ AnyRows(const DecodeParameters& p, const DecodeBlock& block)
      : keys_(p.attention.key, p.attention.pages.key, block.entry.batch, block.key_head,
              block.entry.sequence.key_start),
        values_(p.attention.value, p.attention.pages.value, block.entry.batch, block.key_head,
                block.entry.sequence.key_start),
        key_width_(p.attention.key_width),
        value_width_(p.attention.value_width),
        aligned_(p.aligned) {}

  __device__ __forceinline__ static int key_width(const DeviceAttention& a) { return a.key_width; }
  __device__ __forceinline__ static int value_width(const DeviceAttention& a) { return a.value_width; }

  __device__ __forceinline__ void prepare(int32_t) {}
  template <class Tile>
  __device__ __forceinline__ void copy(Tile keys, Tile values, int32_t first_key) {
    copy_some(keys, values, first_key, Sizes::keys);
  }
  template <class Tile>
  __device__ __forceinline__ void copy_some(Tile keys, Tile values, int32_t first_key, int32_t count) {
    copy(keys, keys_, key_width_, first_key, count);
    copy(values, values_, value_width_, first_key, count);
  }

 private:
  // Elements past `width` are zeros as far as products read: to a multiple of 32.
  template <class Tile>
  __device__ __forceinline__ void copy(Tile tile, const HeadRows& rows, int width, int32_t first_key,
                                       int32_t count) const {
    const OwnChunks<Tile, Sizes::keys, Sizes::threads> own;
    const int used = (width + 31) / 32 * 32;
#pragma unroll 1
    for (int r = 0; r < Sizes::keys; r += own.down) {
      const bool exists = own.row + r < count;
      const auto* from =
          rows.template row<typename Tile::Element>(exists ? first_key + own.row + r : first_key);
#pragma unroll 1
      for (int c = 0; c < Tile::chunks; c += own.across) {
        const int column = (own.chunk + c) * Tile::per_chunk;
        if (column >= used) break;
        const int left = exists ? width - column : 0;
        const uint32_t valid = left <= 0 ? 0 : left < Tile::per_chunk ? left : Tile::per_chunk;
        thread::copy_chunk(tile.chunk(own.start, r, c), valid > 0 ? from + column : from, valid, aligned_);
      }
    }
  }

  HeadRows keys_, values_;
  int key_width_, value_width_;
  bool aligned_;
};

// Loads keys and values one tile ahead.
template <class T, class Sizes, class Rows>
class DecodePipeline {
 public:
  using Tile = SharedTile<T, Sizes::width>;
  static constexpr size_t shared_bytes = 0;  // beside what all kernels take

  __device__ __forceinline__ DecodePipeline(const DecodeParameters& p, const DecodeBlock& block,
                                            const DecodeMemory<T, Sizes>& memory)
      : rows_(p, block), memory_(memory), last_key_(block.last_key) {
    if (block.last_key - block.first_key >= Sizes::keys) rows_.prepare(block.first_key);
  }

  // Fills stage `tile` % 2 with the keys from first_key on, if there are any.
  __device__ __forceinline__ void start(int tile, int32_t first_key) {
    const int32_t left = last_key_ - first_key;
    if (left >= Sizes::keys) {
      rows_.copy(memory_.keys(tile % 2), memory_.values(tile % 2), first_key);
      if (left >= 2 * Sizes::keys) rows_.prepare(first_key + Sizes::keys);
    } else if (left > 0) {
      rows_.copy_some(memory_.keys(tile % 2), memory_.values(tile % 2), first_key, left);
    }
    thread::commit_copies();
  }

  // When it returns, the tile started last has arrived, and all threads have finished the one before.
  __device__ __forceinline__ void next() const {
    thread::wait_for_copies<0>();
    block::sync();
  }

  // What ConvertingPipeline does, and tiles of the type of the products need not.
  __device__ __forceinline__ void convert(const DecodeParameters&, int, int32_t) const {}
  template <class Scores>
  __device__ __forceinline__ void scale(Scores&, int, int) const {}
  __device__ __forceinline__ Vector<float, 2> weight_factors(int, int) const { return {1, 1}; }

  __device__ __forceinline__ Tile keys(int tile) const { return memory_.keys(tile % 2); }
  __device__ __forceinline__ Tile values(int tile) const { return memory_.values(tile % 2); }

 private:
  Rows rows_;
  DecodeMemory<T, Sizes> memory_;
  int32_t last_key_;
};

}  // namespace heed::cuda
