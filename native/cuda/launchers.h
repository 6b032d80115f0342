// What the CUDA backend computes: one function for each problem of native/core. Pointers of a problem (its
// views, pages, norms, parts and rotations) are the device's; its vectors and its tables of pages are the
// host's. A launcher enqueues on the workspace's stream and returns. It throws Unsupported for what its
// kernels cannot do, before anything is launched. No CUDA header is needed here.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Attention of many query rows, in tiles.
void attention_forward(const AttentionProblem& problem, Workspace& workspace);

// Attention of few query rows to long keys and values, contiguous or in the pages of a cache.
// `blocks_at_once`: how many blocks the GPU runs at a time, to split keys as is fastest for the whole batch;
// 0: the split, and with it every bit of a result, depends on the sequence alone.
void attention_decode(const AttentionProblem& problem, Workspace& workspace, int64_t blocks_at_once = 0);

// Scores and weights of chosen heads and rows. Weights need the log-sum-exps that a fused kernel has left.
void attention_rows(const RowsProblem& problem, Workspace& workspace);

// y = x Wᵀ + b. Input and weight are of the same type, and the bias is the host's.
void projection(const ProjectionProblem& problem, Workspace& workspace);

// New steps into a cache, rounded to its type.
void append(const AppendProblem& problem, Workspace& workspace);

// Attention over disjoint sets of keys, joined.
void merge(const MergeProblem& problem, Workspace& workspace);

// Elements from one floating type to another.
void cast(const CastProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
