// What the threads of a block share: a position in the grid, a barrier, and memory. Grids and blocks have one
// dimension, since the others are limited to 65535.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#endif

namespace heed::cuda::block {

// The block's position in the grid.
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

// Waits for every thread of the block; afterwards all threads see what any of them wrote before.
__device__ __forceinline__ void sync() {
#if HEED_EMULATED
  emulator::block_sync();
#else
  __syncthreads();
#endif
}

// The block's only shared memory, with the size given at the launch; aligned to 128 bytes. The launching code
// defines its layout.
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
