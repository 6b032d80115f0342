// Attention over disjoint sets of keys, joined on the device.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Pointers of the problem and of its parts are the device's.
void merge(const MergeProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
