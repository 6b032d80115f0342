// Processes whole heads of a projection in place: their norm, then rotary positions. One warp for the heads
// of a row that are normalised together, which mostly is one.
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
  int64_t rows, steps;
  int64_t groups;  // of heads that are normalised together, in a row
  int64_t width;   // elements of a group
};

constexpr int64_t groups_per_block = finish_heads_threads / 32;

namespace detail {

__device__ __forceinline__ float sum_of_lanes(float sum) {
#pragma unroll
  for (uint32_t bits = warp::size / 2; bits > 0; bits /= 2) sum += warp::shuffle_xor(sum, bits);
  return sum;
}

// The heads of a row that are normalised together.
template <class T>
class HeadsOfRow {
 public:
  __device__ __forceinline__ HeadsOfRow(const FinishHeadsParameters& p, int64_t row, int64_t group)
      : target_(p.target),
        first_(static_cast<T*>(p.target.view.data) + row / p.steps * p.target.view.batch_stride +
               group * p.target.norm.heads * p.target.view.head_stride +
               row % p.steps * p.target.view.step_stride),
        width_(p.width),
        own_(p.target.norm.shared ? 0 : group * p.width) {
    if (target_.norm.weight != nullptr) prepare();
  }

  __device__ __forceinline__ T* head(int64_t head) const { return first_ + head * target_.view.head_stride; }

  // An element after the norm.
  __device__ __forceinline__ float element(int64_t head, int64_t d) const {
    const float x = thread::to_float(this->head(head)[d]);
    const HeadNorm& norm = target_.norm;
    if (norm.weight == nullptr) return x;
    const int64_t at = own_ + head * target_.head_width + d;
    return (x - mean_) * factor_ * norm.weight[at] + (norm.bias == nullptr ? 0 : norm.bias[at]);
  }

 private:
  // The sum of f(x) over all elements.
  template <class F>
  __device__ __forceinline__ float sum_of(F f) const {
    float sum = 0;
    for (int64_t h = 0; h < target_.norm.heads; ++h) {
      const T* elements = head(h);
      for (int64_t d = thread::lane(); d < target_.head_width; d += warp::size)
        sum += f(thread::to_float(elements[d]));
    }
    return sum_of_lanes(sum);
  }

  __device__ __forceinline__ void prepare() {
    const auto width = static_cast<float>(width_);
    if (target_.norm.centered) mean_ = sum_of([](float x) { return x; }) / width;
    const float squares = sum_of([this](float x) { return (x - mean_) * (x - mean_); });
    factor_ = 1 / sqrtf(squares / width + target_.norm.epsilon);
    warp::sync();  // before any lane writes
  }

  const ProjectionTarget& target_;
  T* first_;
  int64_t width_;
  int64_t own_;  // where the weights of these heads begin
  float mean_ = 0, factor_ = 1;
};

}  // namespace detail

template <class T>
__global__ void __launch_bounds__(finish_heads_threads)
    finish_heads_kernel(const __grid_constant__ FinishHeadsParameters p) {
  const int64_t index = int64_t{block::index()} * groups_per_block + warp::index();
  const int64_t row = index / p.groups;
  if (row >= p.rows) return;
  const detail::HeadsOfRow<T> heads(p, row, index % p.groups);
  const Rotation& rotation = p.target.rotation;
  const int64_t pairs = rotation.width / 2, table = row % rotation.rows * pairs;
  for (int64_t h = 0; h < p.target.norm.heads; ++h) {
    T* elements = heads.head(h);
    for (int64_t pair = thread::lane(); pair < pairs; pair += warp::size) {
      const int64_t first = rotation.interleaved ? 2 * pair : pair;
      const int64_t second = first + (rotation.interleaved ? 1 : pairs);
      const float cos = rotation.cos[table + pair], sin = rotation.sin[table + pair];
      const float x = heads.element(h, first), y = heads.element(h, second);
      elements[first] = thread::from_float<T>(x * cos - y * sin);
      elements[second] = thread::from_float<T>(x * sin + y * cos);
    }
    if (p.target.norm.weight == nullptr) continue;
    for (int64_t d = rotation.width + thread::lane(); d < p.target.head_width; d += warp::size)
      elements[d] = thread::from_float<T>(heads.element(h, d));
  }
}

}  // namespace heed::cuda
