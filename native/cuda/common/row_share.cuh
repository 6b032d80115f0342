// Rows of queries, keys and values that eight lanes of a warp read together, 128 bytes at a time.
#pragma once

#include <cstdint>

#include "cuda/common/online_softmax.cuh"
#include "cuda/common/operand_tile.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

constexpr int32_t lanes_of_row = 8;

// Calls f(column, elements) for a lane's share of a row: every eighth chunk of 16 bytes. Elements beyond the
// row are zeros. `aligned`: the row begins at a multiple of 16 bytes.
template <class T, class F>
__device__ __forceinline__ void each_chunk_of_share(const T* row, int32_t width, bool aligned, F f) {
  constexpr int32_t per_chunk = 16 / sizeof(T);
  for (int32_t d = static_cast<int32_t>(thread::lane()) % lanes_of_row * per_chunk; d < width;
       d += lanes_of_row * per_chunk) {
    const int32_t left = width - d;
    if (aligned && left >= per_chunk) {
      f(d, thread::load_global<per_chunk>(row + d));
    } else {
      f(d, thread::load_some<per_chunk>(row + d, left < per_chunk ? left : per_chunk));
    }
  }
}

// Calls f(column, element) for each element of a lane's share.
template <class T, class F>
__device__ __forceinline__ void each_of_share(const T* row, int32_t width, bool aligned, F f) {
  each_chunk_of_share(row, width, aligned, [&](int32_t d, const auto& chunk) {
#pragma unroll
    for (int32_t e = 0; e < chunk.size; ++e) {
      if (d + e < width) f(d + e, thread::to_float(chunk[e]));
    }
  });
}

// Reduces over the lanes of a row, which all of them get. Lanes of other rows need not take part.
template <class F>
__device__ __forceinline__ float reduce_row(float x, F f) {
  constexpr auto lanes = static_cast<uint32_t>(lanes_of_row);
  const uint32_t mask = ((uint32_t{1} << lanes) - 1) << (thread::lane() / lanes * lanes);
#pragma unroll
  for (uint32_t bits = lanes / 2; bits > 0; bits /= 2) x = f(x, warp::shuffle_xor(x, bits, mask));
  return x;
}

}  // namespace heed::cuda
