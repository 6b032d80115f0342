// A tile of a row-major matrix in shared memory, with rows of 64 bytes: 32 elements of 16 bits or 16 of 32.
#pragma once

#include <cstdint>

#include "cuda/device/async_copy.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

// The matrix from which tiles are cut. Beyond its columns, tiles contain zeros.
struct Matrix {
  const void* data;
  int64_t rows, columns;
  bool aligned;  // each row begins at a multiple of 16 bytes
};

struct OperandTile {
  static constexpr uint32_t row_bytes = 64, chunk_bytes = 16, chunks = row_bytes / chunk_bytes;

  // Two rows fill the 32 banks, so every other row orders its chunks differently: eight rows that are read at
  // the same chunk, as by ldmatrix, lie in different banks.
  __device__ __forceinline__ static uint32_t offset(uint32_t row, uint32_t chunk) {
    return row * row_bytes + (chunk ^ (row >> 1 & 3)) * chunk_bytes;
  }
};

namespace thread {

// Copies `count` elements from `from` on, with zeros beyond `valid`, one at a time, for unaligned rows.
template <int count, class T>
__device__ __forceinline__ Vector<T, count> load_some(const T* from, uint32_t valid) {
  Vector<T, count> loaded{};
#pragma unroll
  for (uint32_t i = 0; i < count; ++i) {
    if (i < valid) loaded[i] = from[i];
  }
  return loaded;
}

// Copies 16 bytes asynchronously from global to shared memory, with zeros for the elements beyond `valid`.
template <class T>
__device__ __forceinline__ void copy_chunk(void* shared, const T* global, uint32_t valid, bool aligned) {
  constexpr int count = 16 / sizeof(T);
  if (aligned) {
    copy_async<16>(shared, global, valid * static_cast<uint32_t>(sizeof(T)));
  } else {
    store_shared(static_cast<T*>(shared), load_some<count>(global, valid));
  }
}

}  // namespace thread

// Copies tiles of `rows` rows of a matrix, from `first_row` on, with all threads of the block; each tile has
// the columns that follow those of the tile before. A thread keeps a pointer for each of its chunks, so that
// a copy costs an addition. Rows beyond the matrix repeat its last one, since products of theirs are not
// written.
template <class T, uint32_t rows, uint32_t threads>
class OperandCopies {
 public:
  static constexpr int64_t columns = OperandTile::row_bytes / sizeof(T);  // of a tile

  __device__ __forceinline__ OperandCopies(const Matrix& matrix, int64_t first_row)
      : aligned_(matrix.aligned) {
#pragma unroll
    for (uint32_t i = 0; i < each; ++i) {
      const int64_t row = first_row + own_row() + i * rows_at_once;
      from_[i] = static_cast<const T*>(matrix.data) +
                 (row < matrix.rows ? row : matrix.rows - 1) * matrix.columns + own_chunk() * per_chunk;
    }
  }

  // Copies the next tile, of aligned rows that have all of its columns.
  __device__ __forceinline__ void copy_tile(unsigned char* tile) {
    copy(tile, [](unsigned char* to, const T* from) { thread::copy_async<16>(to, from); });
  }

  // Copies the next tile, of which `left` columns are in the matrix.
  __device__ __forceinline__ void copy_tile(unsigned char* tile, int64_t left) {
    const int64_t own_left = left - own_chunk() * per_chunk;
    const uint32_t valid = own_left <= 0          ? 0
                           : own_left < per_chunk ? static_cast<uint32_t>(own_left)
                                                  : per_chunk;
    copy(tile,
         [valid, this](unsigned char* to, const T* from) { thread::copy_chunk(to, from, valid, aligned_); });
  }

 private:
  static constexpr uint32_t per_chunk = OperandTile::chunk_bytes / sizeof(T),
                            rows_at_once = threads / OperandTile::chunks, each = rows / rows_at_once,
                            apart = rows_at_once * OperandTile::row_bytes;
  static_assert(rows_at_once % 8 == 0, "all chunks of a thread have the same place in their rows");

  static __device__ __forceinline__ uint32_t own_row() {
    return thread::index() / OperandTile::chunks;
  }
  static __device__ __forceinline__ uint32_t own_chunk() {
    return thread::index() % OperandTile::chunks;
  }

  template <class Copy>
  __device__ __forceinline__ void copy(unsigned char* tile, Copy copy_one) {
    unsigned char* to = tile + OperandTile::offset(own_row(), own_chunk());
#pragma unroll
    for (uint32_t i = 0; i < each; ++i) {
      copy_one(to + i * apart, from_[i]);
      from_[i] += columns;
    }
  }

  const T* from_[each];  // of the next tile
  bool aligned_;
};

}  // namespace heed::cuda
