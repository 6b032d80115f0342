// The devices that this process has.
#pragma once

#include <memory>

#include "core/problem.h"
#include "cuda/runtime/device.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// What of CUDA was compiled in.
struct Compiled {
  Driver& (*driver)();
  // Launches a problem on the workspace's stream; buffers are the device's memory.
  void (*solve)(const Problem& problem, Workspace& workspace);
};

// Null where nothing was: which of two sources is linked decides it.
const Compiled* compiled();
// Of the kernels that are linked: cudart's, or the emulator's.
Driver& driver();

// A device lives as long as somebody holds it; a later call makes a new one. Throws NoDevice, and what the
// driver throws.
std::shared_ptr<Device> device(int index);

}  // namespace heed::cuda
