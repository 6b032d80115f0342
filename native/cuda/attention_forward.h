// Attention of many query rows, in tiles.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Pointers of the problem's views are the device's, its vectors the host's. Throws Unsupported for what these
// kernels cannot do, before anything is launched.
void attention_forward(const AttentionProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
