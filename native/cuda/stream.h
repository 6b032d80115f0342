// The CUDA types that callers of a launcher need, without the CUDA headers.
#pragma once

#include <stdexcept>

struct CUstream_st;  // cudaStream_t points to one

namespace heed::cuda {

using Stream = CUstream_st*;  // null: the default stream, and the emulator's only one

struct LaunchError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace heed::cuda
