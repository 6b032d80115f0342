// What the threads of a block share: their place in the grid, barriers, and memory. Grids and blocks have one
// dimension, since the others end at 65535.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#endif

namespace heed::cuda {

namespace block {

// Its place in the grid.
__device__ __forceinline__ uint32_t index() {
#if HEED_EMULATED
  return emulator::block_index();
#else
  return blockIdx.x;
#endif
}

__device__ __forceinline__ uint32_t threads() {
#if HEED_EMULATED
  return emulator::thread_count();
#else
  return blockDim.x;
#endif
}

// Waits for every thread of the block; what any of them wrote before is seen by all behind it.
__device__ __forceinline__ void sync() {
#if HEED_EMULATED
  emulator::block_sync();
#else
  __syncthreads();
#endif
}

// A barrier of some warps, numbered 1 … 15, for as many threads as `threads` says: 32 for each warp that
// syncs or arrives. All lanes of a warp come together.
__device__ __forceinline__ void sync(uint32_t barrier, uint32_t threads) {
#if HEED_EMULATED
  emulator::barrier_sync(barrier, threads);
#else
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#endif
}

// Counts the warp as having come, and goes on.
__device__ __forceinline__ void arrive(uint32_t barrier, uint32_t threads) {
#if HEED_EMULATED
  emulator::barrier_arrive(barrier, threads);
#else
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
#endif
}

// The block's only shared memory, as long as the launch says; aligned to 128 bytes. Whoever launches a kernel
// lays it out.
template <class T>
__device__ __forceinline__ T* shared_memory() {
#if HEED_EMULATED
  return static_cast<T*>(emulator::shared_memory());
#else
  extern __shared__ __align__(128) unsigned char heed_shared_memory[];
  return reinterpret_cast<T*>(heed_shared_memory);
#endif
}

}  // namespace block

namespace grid {

__device__ __forceinline__ uint32_t blocks() {
#if HEED_EMULATED
  return emulator::block_count();
#else
  return gridDim.x;
#endif
}

}  // namespace grid

}  // namespace heed::cuda
