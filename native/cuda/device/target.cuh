// The target of a kernel source: a GPU, compiled by nvcc; or the emulator, compiled by any C++20 compiler
// without a CUDA toolkit. Every wrapper in this folder has a body for each.
#pragma once

#if defined(__CUDACC__)

#include <cuda_runtime.h>
#define HEED_EMULATED 0

#else

#define HEED_EMULATED 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__

#endif
