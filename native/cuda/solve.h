// Problems on their way to the kernels.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

enum class AttentionKernel : uint8_t { forward, decode };

// Which kernels attention goes to.
AttentionKernel kernel_for(const AttentionProblem& problem);

// Launches the problem on the workspace's stream. Buffers are the device's memory. Throws Unsupported for
// what no kernel does, before anything is launched.
void solve(const Problem& problem, Workspace& workspace);

}  // namespace heed::cuda
