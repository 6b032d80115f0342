// Dispatches problems to the kernels.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

enum class AttentionKernel : uint8_t { forward, decode };

// Selects the kernel for the attention of one of a problem's sequences.
AttentionKernel kernel_for(const AttentionProblem& problem, const Sequence& sequence);

// Launches the problem on the workspace's stream. Buffers are device memory. Throws Unsupported, before it
// launches anything, for problems that no kernel supports.
void solve(const Problem& problem, Workspace& workspace);

}  // namespace heed::cuda
