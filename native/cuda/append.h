// New steps on their way into a cache on the device.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Copies and rounds to the cache's type. Pointers of the views and of the pages are the device's, the tables
// of pages the host's. Throws Unsupported for what is not of a floating type, before anything is launched.
void append(const AppendProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
