// Operations of a single thread: its index, and functions that map to one instruction.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if HEED_EMULATED
#include <cmath>

#include "cuda/device/emulator.h"
#endif

namespace heed::cuda::thread {

// The thread's position in the block.
__device__ __forceinline__ uint32_t index() {
#if HEED_EMULATED
  return emulator::thread_index();
#else
  return threadIdx.x;
#endif
}

__device__ __forceinline__ uint32_t lane() {
  return index() % 32;
}

// 2^x to 2 units in the last place; results below the smallest normal number are 0.
__device__ __forceinline__ float exp2(float x) {
#if HEED_EMULATED
  emulator::count_exponential();
  const float y = std::exp2(x);
  return y < 0x1p-126f ? 0.0f : y;
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// log2 x with an absolute error of 2^-22 near 1, and a relative error of 2^-22 elsewhere.
__device__ __forceinline__ float log2(float x) {
#if HEED_EMULATED
  return std::log2(x < 0x1p-126f && x > -0x1p-126f ? 0.0f : x);
#else
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// 1 / x with a relative error of 2^-23; subnormal numbers count as 0.
__device__ __forceinline__ float reciprocal(float x) {
#if HEED_EMULATED
  const float y = 1 / (x < 0x1p-126f && x > -0x1p-126f ? std::copysign(0.0f, x) : x);
  return y < 0x1p-126f && y > -0x1p-126f ? std::copysign(0.0f, y) : y;
#else
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

}  // namespace heed::cuda::thread
