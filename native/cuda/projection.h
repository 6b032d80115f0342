// y = x Wᵀ + b on the device.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Pointers of the problem, of its norms and of its rotations are the device's, its bias is the host's. Input
// and weight are of the same type. Throws Unsupported for what these kernels cannot do, before anything is
// launched.
void projection(const ProjectionProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
