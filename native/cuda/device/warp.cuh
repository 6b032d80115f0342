// Operations of a warp's 32 threads. Exactly the threads that the mask names must participate.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#endif

namespace heed::cuda::warp {

constexpr uint32_t size = 32;
constexpr uint32_t all_lanes = 0xffffffff;

// The index of this warp in the block.
__device__ __forceinline__ uint32_t index() {
#if HEED_EMULATED
  return emulator::thread_index() / size;
#else
  return threadIdx.x / size;
#endif
}

// Also orders memory: afterwards the other lanes see what a lane wrote before.
__device__ __forceinline__ void sync(uint32_t mask = all_lanes) {
#if HEED_EMULATED
  emulator::warp_sync(mask);
#else
  __syncwarp(mask);
#endif
}

namespace detail {

// Any type of 4 bytes as a register.
template <class T>
__device__ __forceinline__ uint32_t to_register(T value) {
  static_assert(sizeof(T) == 4, "shuffles move registers of 32 bits");
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}
template <class T>
__device__ __forceinline__ T from_register(uint32_t bits) {
  T value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace detail

// The value of lane `lane`.
template <class T>
__device__ __forceinline__ T shuffle(T value, uint32_t lane, uint32_t mask = all_lanes) {
#if HEED_EMULATED
  return detail::from_register<T>(emulator::shuffle(mask, detail::to_register(value), lane % size));
#else
  return detail::from_register<T>(__shfl_sync(mask, detail::to_register(value), lane));
#endif
}

// The value of the lane whose number differs in the bits of `bits`, below 32.
template <class T>
__device__ __forceinline__ T shuffle_xor(T value, uint32_t bits, uint32_t mask = all_lanes) {
#if HEED_EMULATED
  return detail::from_register<T>(
      emulator::shuffle(mask, detail::to_register(value), emulator::thread_index() % size ^ bits));
#else
  return detail::from_register<T>(__shfl_xor_sync(mask, detail::to_register(value), bits));
#endif
}

// A bit for each lane, set where its predicate holds.
__device__ __forceinline__ uint32_t ballot(bool predicate, uint32_t mask = all_lanes) {
#if HEED_EMULATED
  return emulator::ballot(mask, predicate);
#else
  return __ballot_sync(mask, predicate);
#endif
}

__device__ __forceinline__ bool any(bool predicate, uint32_t mask = all_lanes) {
#if HEED_EMULATED
  return emulator::ballot(mask, predicate) != 0;
#else
  return __any_sync(mask, predicate);
#endif
}

}  // namespace heed::cuda::warp
