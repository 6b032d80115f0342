// Scores and weights of chosen heads and rows on the device.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Pointers of the problem are the device's, its vectors the host's. Weights need the log-sum-exps that a
// fused kernel has left. Throws Unsupported for what this kernel cannot do, before anything is launched.
void attention_rows(const RowsProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
