// An operation with arrays of the host's: copied to the device, computed there, copied back.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/plan.h"
#include "cuda/runtime/device.h"
#include "cuda/runtime/waves.h"
#include "cuda/workspace.h"

namespace heed::cuda {

struct StagedWork {
  std::shared_ptr<Device> device;
  std::vector<Transfer> inputs, outputs;
  std::function<void(Workspace&)> launch;  // may be empty
  // Memory for the arrays on the device, until everything that uses it is enqueued.
  std::vector<DeviceBlock> blocks;
};

// The phases of the work: threads of the pool copy, and none ever waits for the device. The plan ends when
// the outputs are there; without outputs, when everything is enqueued. Little work is enqueued here and now.
// Throws as the device does. What the transfers point to has to outlive the plan.
Plan plan_staged(StagedWork work);

}  // namespace heed::cuda
