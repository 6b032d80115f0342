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

// The value with f of each of its registers of 32 bits.
template <class T, class F>
__device__ __forceinline__ T each_register(T value, F f) {
  static_assert(sizeof(T) % 4 == 0, "shuffles move registers of 32 bits");
  uint32_t registers[sizeof(T) / 4];
  __builtin_memcpy(registers, &value, sizeof value);
  for (uint32_t& bits : registers) bits = f(bits);
  __builtin_memcpy(&value, registers, sizeof value);
  return value;
}

}  // namespace detail

// The value of lane `lane`, of 4 bytes or a multiple.
template <class T>
__device__ __forceinline__ T shuffle(T value, uint32_t lane, uint32_t mask = all_lanes) {
#if HEED_EMULATED
  return detail::each_register(value,
                               [&](uint32_t bits) { return emulator::shuffle(mask, bits, lane % size); });
#else
  return detail::each_register(value, [&](uint32_t bits) { return __shfl_sync(mask, bits, lane); });
#endif
}

// The value of the lane whose number differs in the bits of `bits`, below 32.
template <class T>
__device__ __forceinline__ T shuffle_xor(T value, uint32_t bits, uint32_t mask = all_lanes) {
#if HEED_EMULATED
  return shuffle(value, emulator::thread_index() % size ^ bits, mask);
#else
  return detail::each_register(value, [&](uint32_t word) { return __shfl_xor_sync(mask, word, bits); });
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
