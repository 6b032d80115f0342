// Attention of few query rows to long keys and values, contiguous or in the pages of a cache.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Pointers of the problem's views and of its pages are the device's, its vectors and tables the host's.
// `blocks_at_once`: how many blocks the GPU runs at a time, to split keys as is fastest for the whole batch;
// 0: the split, and with it every bit of a result, depends on the sequence alone. Throws Unsupported for what
// these kernels cannot do, before anything is launched.
void attention_decode(const AttentionProblem& problem, Workspace& workspace, int64_t blocks_at_once = 0);

}  // namespace heed::cuda
