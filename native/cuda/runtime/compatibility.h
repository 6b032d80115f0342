// Which driver and which GPUs code that was built with one CUDA runs with.
#pragma once

#include <string>

#include "cuda/runtime/driver.h"

namespace heed::cuda {

// Versions are CUDA's numbers, 1000 · major + 10 · minor, and 0 where unknown.
struct Built {
  int driver = 0;             // what the driver of this machine supports
  int runtime = 0;            // what the addon is built with
  std::string architectures;  // what its kernels are compiled for, in CMake's words: "80-real,90-virtual"
};

// Describes versions and what they need. False where the driver is too old for the addon, with the reason.
bool describe_versions(Availability& available, const Built& built);

// Adds a device, unless the addon has no machine code for it and the driver cannot compile its PTX: then this
// is the reason.
bool add_device(Availability& available, DeviceDescription device, const Built& built);

}  // namespace heed::cuda
