// A tile of a row-major matrix in shared memory, with rows of 64 bytes: 32 elements of 16 bits or 16 of 32.
#pragma once

#include <cstdint>

#include "cuda/device/async_copy.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

// The matrix from which tiles are cut. Beyond its rows and columns, tiles contain zeros.
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

namespace block {

// Copies rows first_row … of `matrix` from `first_column` on, with all threads of the block.
template <class T, uint32_t rows, uint32_t threads>
__device__ __forceinline__ void copy_tile(unsigned char* tile, const Matrix& matrix, int64_t first_row,
                                          int64_t first_column) {
  constexpr uint32_t per_chunk = OperandTile::chunk_bytes / sizeof(T),
                     rows_at_once = threads / OperandTile::chunks;
  const uint32_t chunk = thread::index() % OperandTile::chunks;
  const int64_t column = first_column + chunk * per_chunk, left = matrix.columns - column;
  const uint32_t valid_in_row = left <= 0 ? 0 : left < per_chunk ? static_cast<uint32_t>(left) : per_chunk;
#pragma unroll
  for (uint32_t i = 0; i < rows / rows_at_once; ++i) {
    const uint32_t row = thread::index() / OperandTile::chunks + i * rows_at_once;
    const uint32_t valid = first_row + row < matrix.rows ? valid_in_row : 0;
    const T* from = static_cast<const T*>(matrix.data);
    if (valid > 0) from += (first_row + row) * matrix.columns + column;
    thread::copy_chunk(tile + OperandTile::offset(row, chunk), from, valid, matrix.aligned);
  }
}

}  // namespace block

}  // namespace heed::cuda
