// Read, change and write as one step, in global or shared memory. None of them orders other accesses.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#endif

namespace heed::cuda::thread {

#if HEED_EMULATED
namespace detail {

// Threads of the emulator take turns, and none in here.
template <class T, class Change>
__forceinline__ T atomically(T* at, Change change) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  T before, after;
  emulator::atomic_load(&before, at, sizeof(T));
  after = change(before);
  emulator::atomic_store(at, &after, sizeof(T));
  return before;
}

}  // namespace detail
#endif

// All return what was there before.
template <class T>
__device__ __forceinline__ T atomic_add(T* at, T value) {
#if HEED_EMULATED
  return detail::atomically(at, [value](T before) { return static_cast<T>(before + value); });
#else
  return atomicAdd(at, value);
#endif
}

template <class T>
__device__ __forceinline__ T atomic_max(T* at, T value) {
#if HEED_EMULATED
  return detail::atomically(at, [value](T before) { return before < value ? value : before; });
#else
  return atomicMax(at, value);
#endif
}

template <class T>
__device__ __forceinline__ T atomic_exchange(T* at, T value) {
#if HEED_EMULATED
  return detail::atomically(at, [value](T) { return value; });
#else
  return atomicExch(at, value);
#endif
}

// Writes `value` if `expected` is there.
template <class T>
__device__ __forceinline__ T atomic_compare_exchange(T* at, T expected, T value) {
#if HEED_EMULATED
  return detail::atomically(at, [=](T before) { return before == expected ? value : before; });
#else
  return atomicCAS(at, expected, value);
#endif
}

}  // namespace heed::cuda::thread
