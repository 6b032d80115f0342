// What the threads of a block share: their place in the grid, a barrier, and memory. Grids and blocks have
// one dimension, since the others end at 65535.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#endif

namespace heed::cuda::block {

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

}  // namespace heed::cuda::block
