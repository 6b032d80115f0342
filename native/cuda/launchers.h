// The problems that the CUDA backend computes: one function for each problem of native/core. Pointers of a
// problem (its views, pages, norms, parts and rotations) are device memory; its vectors and its tables of
// pages are host memory. A launcher enqueues work on the workspace's stream and returns. It throws
// Unsupported, before it launches anything, for problems that its kernels do not support. No CUDA header is
// needed here.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Attention of many query rows, in tiles.
void attention_forward(const AttentionProblem& problem, Workspace& workspace);

// Attention of few query rows to long keys and values, contiguous or in the pages of a cache.
// The split of the keys, and so every bit of a result, depends on the sequence and the device alone.
void attention_decode(const AttentionProblem& problem, Workspace& workspace);

// Attention of hard selections, contiguous or in the pages of a cache: the value of the best key, or of a
// drawn one.
void attention_choose(const AttentionProblem& problem, Workspace& workspace);

// Scores and weights of chosen heads and rows. Weights require the log-sum-exps of a fused kernel, or the
// choices of a hard selection.
void attention_rows(const RowsProblem& problem, Workspace& workspace);

// y = x Wᵀ + b. Input and weight have the same type; the bias is host memory.
void projection(const ProjectionProblem& problem, Workspace& workspace);

// Appends new steps to a cache, rounded to its type.
void append(const AppendProblem& problem, Workspace& workspace);

// Merges attention over disjoint sets of keys.
void merge(const MergeProblem& problem, Workspace& workspace);

// Converts elements from one floating type to another.
void cast(const CastProblem& problem, Workspace& workspace);

// Copies heads from one view to another, with a bias and rotated.
void copy_heads(const HeadsProblem& problem, Workspace& workspace);

// Normalises rows, of an input or of its sum with a residual.
void norm(const NormProblem& problem, Workspace& workspace);

// Adds rows of tables.
void embed(const EmbeddingProblem& problem, Workspace& workspace);

// Makes a row of each sequence of rows.
void pool(const PoolingProblem& problem, Workspace& workspace);

// Chooses a token from each row of logits.
void sample(const SampleProblem& problem, Workspace& workspace);

}  // namespace heed::cuda
