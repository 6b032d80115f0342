// cp.async: copies from global to shared memory that proceed while the thread continues.
#pragma once

#include <cstdint>

#include "cuda/device/shared_address.cuh"
#include "cuda/device/target.cuh"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#endif

namespace heed::cuda::thread {

// Copies 4, 8 or 16 bytes, both sides aligned to that size. Only the first `valid_bytes` of the source are
// read; the rest is filled with zeros. The copy is visible to this thread after wait_for_copies, and to
// others after a subsequent barrier.
template <int bytes>
__device__ __forceinline__ void copy_async(void* shared, const void* global, uint32_t valid_bytes = bytes) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
#if HEED_EMULATED
  emulator::copy_async(shared, global, bytes, valid_bytes);
#else
  if constexpr (bytes == 16) {  // bypasses the first-level cache
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(cuda::detail::shared_address(shared)),
                 "l"(__cvta_generic_to_global(global)), "r"(valid_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(cuda::detail::shared_address(shared)),
                 "l"(__cvta_generic_to_global(global)), "n"(bytes), "r"(valid_bytes)
                 : "memory");
  }
#endif
}

// Copies 16 bytes where `wanted`. Without a branch, all copies of a thread share a predicate.
__device__ __forceinline__ void copy_async_if(bool wanted, void* shared, const void* global) {
#if HEED_EMULATED
  if (wanted) emulator::copy_async(shared, global, 16, 16);
#else
  asm volatile(
      "{.reg .pred wanted;"
      " setp.ne.b32 wanted, %2, 0;"
      " @wanted cp.async.cg.shared.global [%0], [%1], 16;}" ::"r"(cuda::detail::shared_address(shared)),
      "l"(__cvta_generic_to_global(global)), "r"(static_cast<uint32_t>(wanted))
      : "memory");
#endif
}

// Makes a group of the thread's copies since the last call; the group may be empty.
__device__ __forceinline__ void commit_copies() {
#if HEED_EMULATED
  emulator::commit_copies();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until all but the last `pending` groups of the thread are complete.
template <int pending>
__device__ __forceinline__ void wait_for_copies() {
#if HEED_EMULATED
  emulator::wait_for_copies(pending);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#endif
}

}  // namespace heed::cuda::thread
