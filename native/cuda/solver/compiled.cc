// Linked where kernels are.
#include "cuda/runtime/devices.h"
#include "cuda/solver/device_solver.h"

namespace heed::cuda {

const Compiled* compiled() {
  static const Compiled here{&driver, [](Workspace& workspace) -> std::unique_ptr<Solver> {
                               return std::make_unique<DeviceSolver>(workspace);
                             }};
  return &here;
}

}  // namespace heed::cuda
