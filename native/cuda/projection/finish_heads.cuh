// Processes whole heads of a projection in place: their norm, then rotary positions. One warp per head of a
// row.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/view.h"
#include "cuda/device/block.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

struct FinishHeadsParameters {
  ProjectionTarget target;  // with its tables in device memory
  int64_t rows, steps, heads;
};

constexpr int64_t heads_per_block = finish_heads_threads / 32;

namespace detail {

// The factor for the elements of a head, besides the weight.
template <class T>
__device__ __forceinline__ float norm_factor(const T* head, int64_t width, float epsilon) {
  float squares = 0;
  for (int64_t d = thread::lane(); d < width; d += warp::size) {
    const float x = thread::to_float(head[d]);
    squares += x * x;
  }
#pragma unroll
  for (uint32_t bits = warp::size / 2; bits > 0; bits /= 2) squares += warp::shuffle_xor(squares, bits);
  warp::sync();  // before any lane writes
  return 1 / sqrtf(squares / static_cast<float>(width) + epsilon);
}

}  // namespace detail

template <class T>
__global__ void __launch_bounds__(finish_heads_threads)
    finish_heads_kernel(const __grid_constant__ FinishHeadsParameters p) {
  const int64_t index = int64_t{block::index()} * heads_per_block + warp::index();
  const int64_t head = index % p.heads, row = index / p.heads;
  if (row >= p.rows) return;
  const MutableView& view = p.target.view;
  T* elements = static_cast<T*>(view.data) + row / p.steps * view.batch_stride + head * view.head_stride +
                row % p.steps * view.step_stride;
  const HeadNorm& norm = p.target.norm;
  const float factor =
      norm.weight == nullptr ? 1 : detail::norm_factor(elements, p.target.head_width, norm.epsilon);
  const auto normed = [&](int64_t d) {
    const float x = thread::to_float(elements[d]);
    return norm.weight == nullptr ? x : x * factor * norm.weight[d];
  };
  const Rotation& rotation = p.target.rotation;
  const int64_t pairs = rotation.width / 2, table = row % rotation.rows * pairs;
  for (int64_t pair = thread::lane(); pair < pairs; pair += warp::size) {
    const int64_t first = rotation.interleaved ? 2 * pair : pair;
    const int64_t second = first + (rotation.interleaved ? 1 : pairs);
    const float cos = rotation.cos[table + pair], sin = rotation.sin[table + pair];
    const float x = normed(first), y = normed(second);
    elements[first] = thread::from_float<T>(x * cos - y * sin);
    elements[second] = thread::from_float<T>(x * sin + y * cos);
  }
  if (norm.weight == nullptr) return;
  for (int64_t d = rotation.width + thread::lane(); d < p.target.head_width; d += warp::size)
    elements[d] = thread::from_float<T>(normed(d));
}

}  // namespace heed::cuda
