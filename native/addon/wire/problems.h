// Readers of the problems that have files of their own. Each is called after the number of its kind has been
// read. They throw InvalidProblem and std::bad_alloc.
#pragma once

#include "addon/wire/reader.h"
#include "core/problem.h"

namespace heed {

AttentionProblem read_attention(Reader& from);
RowsProblem read_rows(Reader& from);
ProjectionProblem read_projection(Reader& from);
AppendProblem read_append(Reader& from);
NormProblem read_norm(Reader& from);
SampleProblem read_sample(Reader& from);
EmbeddingProblem read_embedding(Reader& from);
PoolingProblem read_pooling(Reader& from);

}  // namespace heed
