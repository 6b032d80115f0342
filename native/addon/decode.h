// Problems on their way from JavaScript: a Float64Array of numbers, and the list of buffers they refer to.
// This is the one description of the format; lib/native/encode*.ts writes it, decode*.cc read it.
//
//   problems     count, then that many problems
//   problem      kind, then what belongs to the kind:
//   0 attention     queryHeads keyHeads width valueWidth  scale softcap causal windowLeft windowRight
//                   query key value output (views)  logSumExp (view or -1)
//                   sequences (count, then of each: queryStart querySteps keyStart keySteps queryOffset)
//                   mask (-1, or: buffer type batchStride headStride queryStride keyStride)
//                   alibiSlopes sinks (lists)
//   1 unfused       as attention
//   2 rows          as attention, then: keys  heads queries (lists)
//                   scores cappedScores biasedScores weights (each a buffer or -1)
//   3 projection    rows steps inner columns  input (buffer type)
//                   weight (buffer type; or the buffer of a packed weight, and -1)  bias (list)
//                   targets (count, then of each: firstColumn columns headWidth view)
//   4 merge         rows width type  parts (count, then of each: output logSumExp, both buffers)
//                   output logSumExp (buffers)
//
//   view         buffer type batchStride headStride stepStride
//   buffer       index into the buffers; the view begins where the typed array begins
//   type         0 float32, 1 float16, 2 bfloat16, 3 bool
//   list         count, then that many numbers
//   window       Infinity where unbounded
//   flag         0 or 1
//
// Decoding trusts nothing: whatever the numbers say, what a plan can reach lies inside its buffers.
#pragma once

#include <span>

#include "addon/memory.h"
#include "core/plan.h"
#include "core/problem.h"

namespace heed {

// One plan for all the problems, one after the other. Throws InvalidProblem and std::bad_alloc.
Plan decode(std::span<const double> numbers, std::span<const Memory> memories);

// One problem each, after its kind.
AttentionProblem decode_attention(NumberReader& numbers, const Memories& memories);
RowsProblem decode_rows(NumberReader& numbers, const Memories& memories);
ProjectionProblem decode_projection(NumberReader& numbers, const Memories& memories);
MergeProblem decode_merge(NumberReader& numbers, const Memories& memories);

}  // namespace heed
