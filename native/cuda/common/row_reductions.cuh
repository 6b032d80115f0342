// Sums and the like over the threads that share a row: those of a warp, or of a block.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/device/block.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

template <class T, class F>
__device__ __forceinline__ T reduce_warp(T x, F f) {
#pragma unroll
  for (uint32_t bits = 1; bits < warp::size; bits *= 2) x = f(x, warp::shuffle_xor(x, bits));
  return x;
}

class RowReductions {
 public:
  // Of the block's shared memory, where a row has several warps.
  static constexpr uint32_t most_bytes = 16;  // of what is reduced
  static constexpr size_t shared_bytes = 2 * warp::size * most_bytes;

  // With one warp, each warp of a block has a row of its own; with more, they are all warps of the block.
  __device__ __forceinline__ RowReductions(int32_t warps, void* shared)
      : warps_(warps), shared_(static_cast<unsigned char*>(shared)) {}

  // All threads of the row get the result, of the same order.
  template <class T, class F>
  __device__ __forceinline__ T reduce(T x, F f) {
    x = reduce_warp(x, f);
    if (warps_ == 1) return x;
    const T* of_warps = exchange(x);
    T all = of_warps[0];
    for (int32_t w = 1; w < warps_; ++w) all = f(all, of_warps[w]);
    return all;
  }
  template <class T>
  __device__ __forceinline__ T sum(T x) {
    return reduce(x, [](T a, T b) { return a + b; });
  }

  // What the first lane of each warp brings. Two places take turns: whoever still reads one of them has not
  // come to the next barrier.
  template <class T>
  __device__ __forceinline__ const T* exchange(const T& x) {
    static_assert(sizeof(T) <= most_bytes);
    turn_ = warp::size * most_bytes - turn_;
    T* of_warps = reinterpret_cast<T*>(shared_ + turn_);
    if (thread::lane() == 0) of_warps[warp::index()] = x;
    block::sync();
    return of_warps;
  }

 private:
  int32_t warps_;
  unsigned char* shared_;
  uint32_t turn_ = 0;
};

}  // namespace heed::cuda
