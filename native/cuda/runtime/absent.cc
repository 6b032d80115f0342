// Linked where no kernels are: a build for the CPU alone.
#include "cuda/runtime/devices.h"

namespace heed::cuda {

const Compiled* compiled() {
  return nullptr;
}

}  // namespace heed::cuda
