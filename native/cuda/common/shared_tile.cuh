// Rows of keys, values or queries in shared memory, in a layout without bank conflicts for the copies that
// fill it and for the loads of matrix fragments.
#pragma once

#include <cstdint>

#include "cuda/common/operand_tile.cuh"
#include "cuda/device/async_copy.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

// Rows of `columns` elements in chunks of 16 bytes. Chunk c of row r lies at place c XOR swizzle(r) of its
// row, so that the same chunk of eight consecutive rows lies in eight different groups of four banks. The
// swizzle only moves chunks within a span.
template <class T, int columns_>
struct SharedTile {
  using Element = T;
  static constexpr int columns = columns_;
  static constexpr int per_chunk = 16 / static_cast<int>(sizeof(T));
  static constexpr int chunks = columns / per_chunk;
  static constexpr int span = chunks % 8 == 0 ? 8 : 4;
  static_assert(chunks % span == 0, "rows are multiples of 64 bytes");

  T* data;

  static __device__ __forceinline__ int swizzle(int row) { return span == 8 ? row % 8 : row / 2 % 4; }
  __device__ __forceinline__ T* row(int row) const { return data + row * columns; }
  __device__ __forceinline__ T* chunk(int row, int chunk) const {
    return data + row * columns + (chunk ^ swizzle(row)) * per_chunk;
  }

  // The starting place of a lane that advances by multiples of 8 rows and by chunks that differ from its own
  // in one bit: then only the last bits of the place change.
  struct Start {
    int row, place;
    __device__ __forceinline__ Start(int from_row, int from_chunk)
        : row(from_row), place(from_chunk ^ swizzle(from_row)) {}
  };
  __device__ __forceinline__ T* chunk(const Start& start, int rows, int more_chunks) const {
    return data + start.row * columns + (start.place ^ more_chunks % span) * per_chunk +
           (rows * columns + more_chunks / span * span * per_chunk);
  }
};

// The chunks that a thread handles in a tile of `rows` rows. Neighbouring threads handle neighbouring chunks
// of a row.
template <class Tile, int rows, int threads>
struct OwnChunks {
  static constexpr int across = threads / rows > Tile::span ? threads / rows : Tile::span;
  static constexpr int down = threads / across;  // rows at once
  static_assert(Tile::chunks % across == 0 && rows % down == 0 && (down % 8 == 0 || down == rows));

  int row = static_cast<int>(thread::index()) / across, chunk = static_cast<int>(thread::index()) % across;
  typename Tile::Start start{row, chunk};

  // Calls f(row offset, chunk offset) for each chunk.
  template <class F>
  __device__ __forceinline__ void each(F f) const {
#pragma unroll
    for (int r = 0; r < rows; r += down) {
#pragma unroll
      for (int c = 0; c < Tile::chunks; c += across) f(r, c);
    }
  }
  // The same with little code, for rare cases.
  template <class F>
  __device__ __forceinline__ void each_in_turn(F f) const {
#pragma unroll 1
    for (int r = 0; r < rows; r += down) {
#pragma unroll 1
      for (int c = 0; c < Tile::chunks; c += across) f(r, c);
    }
  }
};

namespace block {

// Copies rows of global memory, `stride` elements apart, to rows of a tile. Elements past `valid_rows` and
// `width` are zeros as far as products read: to a multiple of 32 columns. Aligned rows begin at multiples of
// 16 bytes and are copied asynchronously; others are copied one element at a time.
template <int rows, int threads, class T, int columns>
__device__ __forceinline__ void copy_strided_rows(SharedTile<T, columns> tile, const T* from, int64_t stride,
                                                  int valid_rows, int width, bool aligned) {
  using Tile = SharedTile<T, columns>;
  const int used = (width + 31) / 32 * 32;
  const auto valid_elements = [&](int row, int column) {
    const int left = row < valid_rows ? width - column : 0;
    return left <= 0 ? 0u : static_cast<uint32_t>(left < Tile::per_chunk ? left : Tile::per_chunk);
  };
  const OwnChunks<Tile, rows, threads> own;
  const T* source = from + own.row * stride + own.chunk * Tile::per_chunk;
  if (aligned) {
    own.each([&](int r, int c) {
      const int column = (own.chunk + c) * Tile::per_chunk;
      if (column >= used) return;
      const uint32_t valid = valid_elements(own.row + r, column);
      thread::copy_async<16>(tile.chunk(own.start, r, c),
                             valid > 0 ? source + r * stride + c * Tile::per_chunk : from,
                             valid * static_cast<uint32_t>(sizeof(T)));
    });
  } else {
    own.each_in_turn([&](int r, int c) {
      const int column = (own.chunk + c) * Tile::per_chunk;
      if (column >= used) return;
      thread::store_shared(tile.chunk(own.start, r, c),
                           thread::load_some<Tile::per_chunk>(source + r * stride + c * Tile::per_chunk,
                                                              valid_elements(own.row + r, column)));
    });
  }
}

}  // namespace block

}  // namespace heed::cuda
