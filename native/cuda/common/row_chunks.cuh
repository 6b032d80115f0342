// Rows of contiguous elements in global memory, read and written 16 bytes at a time where they are aligned.
#pragma once

#include <cstdint>

#include "cuda/common/operand_tile.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

template <class T>
constexpr int32_t chunk_elements = 16 / static_cast<int32_t>(sizeof(T));

template <class T>
using Chunk = Vector<T, chunk_elements<T>>;

// Whether memory begins where vectors of 16 bytes may; null may, too.
inline bool begins_aligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0;
}

// How many elements a row has from `d` on, as far as a chunk goes.
template <class T>
__device__ __forceinline__ uint32_t left_in_chunk(int64_t width, int64_t d) {
  const int64_t left = width - d;
  return static_cast<uint32_t>(left < chunk_elements<T> ? left : chunk_elements<T>);
}

// The chunk of a row that begins at `d`, with zeros beyond the row.
template <class T>
__device__ __forceinline__ Chunk<T> load_chunk(const T* row, int64_t width, int64_t d, bool aligned) {
  if (aligned) return thread::load_global<chunk_elements<T>>(row + d);
  return thread::load_some<chunk_elements<T>>(row + d, left_in_chunk<T>(width, d));
}

template <class T>
__device__ __forceinline__ void store_chunk(T* row, int64_t width, int64_t d, bool aligned,
                                            const Chunk<T>& chunk) {
  if (aligned) return thread::store_global(row + d, chunk);
  const uint32_t left = left_in_chunk<T>(width, d);
#pragma unroll
  for (uint32_t i = 0; i < chunk.size; ++i) {
    if (i < left) row[d + i] = chunk[i];
  }
}

// Calls f(i, number) for `count` elements from `from` on, at most a vector of 16 bytes, of which `left`
// exist: 0 for the others. `aligned`: to the vector, and all of them exist.
template <int32_t count, class T, class F>
__device__ __forceinline__ void each_number(const T* from, int64_t left, bool aligned, F f) {
  const auto some = aligned ? thread::load_global<count>(from)
                            : thread::load_some<count>(from, left < 0       ? 0
                                                             : left > count ? count
                                                                            : left);
#pragma unroll
  for (int32_t i = 0; i < count; ++i) f(i, thread::to_float(some[i]));
}

}  // namespace heed::cuda
