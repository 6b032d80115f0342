// An operation on host arrays: copies them to the device, computes there, and copies the results back.
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
  // Memory for the arrays on the device, held until everything that uses it is enqueued.
  std::vector<DeviceBlock> blocks;
};

// Plans the phases of the work: pool threads copy and never wait for the device. The plan ends when the
// outputs have arrived, or, without outputs, when everything is enqueued. A small amount of work is enqueued
// synchronously. Throws the device's exceptions. The memory that the transfers point to must outlive the
// plan.
Plan plan_staged(StagedWork work);

}  // namespace heed::cuda
