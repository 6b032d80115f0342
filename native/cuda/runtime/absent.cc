// Linked in builds without CUDA kernels, for the CPU only.
#include "cuda/runtime/devices.h"

namespace heed::cuda {

const Compiled* compiled() {
  return nullptr;
}

}  // namespace heed::cuda
