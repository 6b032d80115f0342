// How a block of attention_forward copies rows of keys or of values to shared memory: four kinds of source,
// one of which the launcher chooses. Each has
//
//   find(key)                      where the thread's rows are, of the tile that begins at a key; is called
//                                  before the block waits, so that it need not wait for a table
//   copy_rows(tile, found, count)  copies the first `count` keys of the tile, the others are zeros; nothing
//                                  where there are none
//
// and what quantised_rows.cuh says, which rows of the type of the products do without (WithoutScales).
//
// Of a row, they copy the chunks up to the width. The block has cleared what products read beyond it.
#pragma once

#include <cstdint>

#include "cuda/attention_forward/parameters.cuh"
#include "cuda/common/head_rows.cuh"
#include "cuda/common/operand_tile.cuh"
#include "cuda/common/shared_tile.cuh"
#include "cuda/device/async_copy.cuh"

namespace heed::cuda {

// Which rows a block copies: of a view, in pages or not, `width` elements from `first_column` on.
struct ForwardSource {
  const View& view;
  const PagesOnDevice& pages;
  const RowDistances& distances;
  int32_t first_column, width;
  bool aligned;  // rows begin at multiples of 16 bytes
  // In shared memory, for rows that are stored in another type: the stored rows, and a scale for each.
  int8_t* stored;
  float* scales;
};

// Rows that are stored as products take them.
struct WithoutScales {
  struct Scales {};
  static constexpr bool are_converted = false;

  __device__ __forceinline__ static Scales scales_of(int32_t) { return {}; }
  template <class Scale, class Tile>
  __device__ __forceinline__ static void convert(Tile, const Scales&, int32_t) {}
  template <class Fragment>
  __device__ __forceinline__ static void scale(Fragment&) {}
};

// Clears the columns of a tile from `width` on in whole chunks, as far as products read: to a multiple of 32.
template <int rows, int threads, class T, int columns>
__device__ __forceinline__ void clear_beyond(SharedTile<T, columns> tile, int width) {
  using Tile = SharedTile<T, columns>;
  const OwnChunks<Tile, rows, threads> own;
  const int used = (width + 31) / 32 * 32;
  own.each_in_turn([&](int r, int c) {
    const int column = (own.chunk + c) * Tile::per_chunk;
    if (column >= width && column < used)
      thread::store_shared(tile.chunk(own.start, r, c), Vector<T, Tile::per_chunk>{});
  });
}

// Rows of whole chunks, aligned to 16 bytes.
template <class T, class Sizes, int columns>
class AlignedRows : public WithoutScales {
 public:
  using Tile = SharedTile<T, columns>;
  using Own = OwnChunks<Tile, Sizes::keys, Sizes::threads>;

 protected:
  static constexpr int row_steps = Sizes::keys / Own::down;  // rows of a tile that a thread handles

  __device__ __forceinline__ explicit AlignedRows(const ForwardSource& source) : width_(source.width) {}

  // Copies the thread's chunks of its i-th row, which begin at row(i). The last tile of keys takes little
  // code.
  template <class Row>
  __device__ __forceinline__ void copy(Tile tile, int32_t count, Row row) const {
    if (count >= Sizes::keys) {
#pragma unroll
      for (int i = 0; i < row_steps; ++i) {
        const T* from = row(i);
#pragma unroll
        for (int c = 0; c < Tile::chunks; c += Own::across) {
          thread::copy_async_if(is_used(c), tile.chunk(own.start, i * Own::down, c),
                                from + c * Tile::per_chunk);
        }
      }
    } else if (count > 0) {
#pragma unroll
      for (int i = 0; i < row_steps; ++i) {
        const bool exists = own.row + i * Own::down < count;
        const T* from = row(i);
#pragma unroll 1
        for (int c = 0; c < Tile::chunks && is_used(c); c += Own::across) {
          thread::copy_async<16>(tile.chunk(own.start, i * Own::down, c), from + c * Tile::per_chunk,
                                 exists ? 16 : 0);
        }
      }
    }
  }

  Own own;

 private:
  __device__ __forceinline__ bool is_used(int c) const {
    return (own.chunk + c) * Tile::per_chunk < width_;
  }

  int32_t width_;
};

// Of tensors.
template <class T, class Sizes, int columns>
class ContiguousRows : public AlignedRows<T, Sizes, columns> {
  using Aligned = AlignedRows<T, Sizes, columns>;
  using Aligned::own;

 public:
  using typename Aligned::Tile;

  __device__ __forceinline__ ContiguousRows(const ForwardSource& source, const ForwardBlock<Sizes>& block)
      : Aligned(source),
        first_(reinterpret_cast<const char*>(
            static_cast<const T*>(source.view.data) + block.key_offset(source.view) +
            own.row * source.view.step_stride + source.first_column + own.chunk * Tile::per_chunk)),
        distances_(source.distances) {}

  __device__ __forceinline__ const char* find(int32_t key) const {
    return first_ + int64_t{key} * distances_.next;
  }

  __device__ __forceinline__ void copy_rows(Tile tile, const char* next, int32_t count) const {
    this->copy(tile, count, [&](int) {
      const char* row = next;
      next += distances_.next_of_thread;
      return reinterpret_cast<const T*>(row);
    });
  }

 private:
  const char* first_;  // the thread's first chunk of the first tile
  const RowDistances& distances_;
};

// Where the rows of a thread are in a cache whose pages have less than 2^32 bytes. `Own` are its chunks of a
// tile, whose elements are stored as `Stored`.
template <class Stored, class Sizes, class Tile, class Own>
class RowsInPages {
 public:
  static constexpr int row_steps = Sizes::keys / Own::down;  // rows of a tile that a thread handles

  // The thread's rows of a tile.
  struct Found {
    const char* pages[row_steps];
    uint32_t offsets[row_steps];  // in bytes
    __device__ __forceinline__ const char* row(int i) const { return pages[i] + offsets[i]; }
  };

  __device__ __forceinline__ RowsInPages(const ForwardSource& source, const ForwardBlock<Sizes>& block,
                                         const Own& own)
      : divisor_(source.pages.divisor),
        pages_(source.pages.data),
        first_page_(static_cast<uint32_t>(source.pages.first[block.batch])),
        first_row_(static_cast<int32_t>(block.sequence.key_start) + own.row),
        last_row_(static_cast<int32_t>(block.sequence.key_start) + block.keys.last - 1),
        stride_(static_cast<uint32_t>(source.view.step_stride) * static_cast<uint32_t>(sizeof(Stored))),
        back_(0 - divisor_.value() * stride_),
        head_(static_cast<uint32_t>(block.key_head * source.view.head_stride + source.first_column +
                                    own.chunk * Tile::per_chunk) *
              static_cast<uint32_t>(sizeof(Stored))) {}

  // Rows beyond the last one are the last one.
  __device__ __forceinline__ Found find(int32_t key) const {
    Found found;
#pragma unroll
    for (int i = 0; i < row_steps; ++i) {
      const int32_t row = first_row_ + key + i * Own::down;
      const auto step = static_cast<uint32_t>(row < last_row_ ? row : last_row_);
      const uint32_t page = divisor_.quotient(step);
      found.pages[i] = static_cast<const char*>(pages_[first_page_ + page]);
      found.offsets[i] = head_ + step * stride_ + page * back_;
    }
    return found;
  }

 private:
  Divisor divisor_;
  void* const* pages_;
  uint32_t first_page_;
  int32_t first_row_, last_row_;  // the thread's, and the block's last
  // Modulo 2^32: only their sum is a place in a page.
  uint32_t stride_, back_, head_;  // bytes from a row to the next, back by a page, and to the thread's chunk
};

// Of a cache.
template <class T, class Sizes, int columns>
class PagedRows : public AlignedRows<T, Sizes, columns> {
  using Aligned = AlignedRows<T, Sizes, columns>;
  using Places = RowsInPages<T, Sizes, typename Aligned::Tile, typename Aligned::Own>;

 public:
  using typename Aligned::Tile;
  using Found = typename Places::Found;

  __device__ __forceinline__ PagedRows(const ForwardSource& source, const ForwardBlock<Sizes>& block)
      : Aligned(source), places_(source, block, this->own) {}

  __device__ __forceinline__ Found find(int32_t key) const { return places_.find(key); }

  __device__ __forceinline__ void copy_rows(Tile tile, const Found& found, int32_t count) const {
    this->copy(tile, count, [&](int i) { return reinterpret_cast<const T*>(found.row(i)); });
  }

 private:
  Places places_;
};

// All others: of any width and alignment.
template <class T, class Sizes, int columns>
class AnyRows : public WithoutScales {
 public:
  using Tile = SharedTile<T, columns>;

  __device__ __forceinline__ AnyRows(const ForwardSource& source, const ForwardBlock<Sizes>& block)
      : rows_(source.view, source.pages, block.batch, block.key_head, block.sequence.key_start),
        first_column_(source.first_column),
        width_(source.width),
        aligned_(source.aligned) {}

  __device__ __forceinline__ int32_t find(int32_t key) const { return key; }

  __device__ __forceinline__ void copy_rows(Tile tile, int32_t first_key, int32_t count) const {
    if (count <= 0) return;
    const OwnChunks<Tile, Sizes::keys, Sizes::threads> own;
    own.each_in_turn([&](int r, int c) {
      const int column = (own.chunk + c) * Tile::per_chunk;
      if (column >= width_) return;
      const bool exists = own.row + r < count;
      const T* from = rows_.template row<T>(exists ? first_key + own.row + r : first_key);
      const int left = exists ? width_ - column : 0;
      const auto valid = static_cast<uint32_t>(left < Tile::per_chunk ? left : Tile::per_chunk);
      thread::copy_chunk(tile.chunk(own.start, r, c), from + first_column_ + column, valid, aligned_);
    });
  }

 private:
  HeadRows rows_;
  int32_t first_column_, width_;
  bool aligned_;
};

}  // namespace heed::cuda
