// The devices that this process has.
#pragma once

#include <memory>

#include "core/problem.h"
#include "cuda/runtime/device.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// The compiled-in CUDA support.
struct Compiled {
  Driver& (*driver)();
  // Launches a problem on the workspace's stream; buffers are device memory.
  void (*solve)(const Problem& problem, Workspace& workspace);
};

// Null if no kernels are compiled in; which of two sources is linked decides this.
const Compiled* compiled();
// The driver for the linked kernels: cudart's or the emulator's.
Driver& driver();

// A device lives as long as a reference exists; a later call creates a new one. Throws NoDevice and the
// driver's exceptions.
std::shared_ptr<Device> device(int index);

}  // namespace heed::cuda
