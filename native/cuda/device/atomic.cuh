// Atomic operations in global or shared memory. They do not order other accesses.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#endif

namespace heed::cuda::thread {

// Returns the previous value.
template <class T>
__device__ __forceinline__ T atomic_exchange(T* at, T value) {
#if HEED_EMULATED
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  T before;
  emulator::atomic_exchange(at, &before, &value, sizeof(T));
  return before;
#else
  return atomicExch(at, value);
#endif
}

// Adds, modulo 2^32; returns the previous value.
__device__ __forceinline__ uint32_t atomic_add(uint32_t* at, uint32_t value) {
#if HEED_EMULATED
  return emulator::atomic_add(at, value);
#else
  return atomicAdd(at, value);
#endif
}

}  // namespace heed::cuda::thread
