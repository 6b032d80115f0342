// Makes scores products: qᵀ W k is the product of Wᵀ q and k, and a cosine is a product with a factor for
// each query and each key.
#pragma once

#include "core/problem.h"
#include "cuda/attention_parameters.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Replaces the queries of `p`, which has been made from `problem`, where its score is general or cosine, and
// provides the factors of a cosine. Wᵀ q is summed in float32 and rounded to the type of the queries. For a
// cosine, queries are divided by a power of 2 that is about their length, so that no product overflows: apart
// from elements 2^-14 times as long, this rounds nothing.
void fold_score(const AttentionProblem& problem, DeviceAttention& p, Workspace& workspace);

}  // namespace heed::cuda
