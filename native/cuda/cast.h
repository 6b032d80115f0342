// Elements from one floating type to another, on the device.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Pointers of the problem are the device's.
void cast(const CastProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
