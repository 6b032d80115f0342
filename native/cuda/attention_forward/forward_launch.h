// attention_forward for one type of elements: a source for each, so that they are compiled side by side.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

template <class T>
void launch_forward(const AttentionProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
