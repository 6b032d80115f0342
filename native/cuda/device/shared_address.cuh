// Addresses of shared memory as PTX takes them. Only for nvcc.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if !HEED_EMULATED
namespace heed::cuda::detail {

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

}  // namespace heed::cuda::detail
#endif
