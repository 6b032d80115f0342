// Which kernels attention goes to.
#pragma once

#include "core/problem.h"

namespace heed::cuda {

enum class AttentionKernel : uint8_t { forward, decode };

AttentionKernel kernel_for(const AttentionProblem& problem);

}  // namespace heed::cuda
