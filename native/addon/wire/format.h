// The encoding of operations from JavaScript: a Float64Array of numbers, and the list of buffers that they
// refer to. Only this comment describes the format: lib/backends/native/encode.ts writes it, and the files in
// this folder read it.
//
// clang-format off
//   operation    count, then that many problems
//   problem      kind, then what belongs to the kind:
//   0 attention     queryHeads keyHeads width queryWidth valueWidth  scale softcap windowLeft windowRight
//                   query key value output (views)  logSumExp (view or -1)
//                   sequences (count, then of each: queryStart querySteps keyStart keySteps queryOffset)
//                   pages, a page list for each sequence
//                   score (0 product, 1 cosine, 2 general and its matrix, 3 location,
//                          4 additive, hidden, and its matrices W, U and v)
//                   mask (-1, or: buffer type batchStride headStride queryStride keyStride)
//                   a list for each of head_numbers, see core/scoring.h: one number per query head, or none;
//                   of alibi_slopes also one per sequence and query head
//                   whether ALiBi counts distances in both directions (flag)
//                   selection (0 soft, 1 hard, 2 drawn and the seed,
//                              3 local and: buffer type batchStride headStride queryStride halfWidth)
//                   choices (-1, or: buffer of doubles, start batchStride headStride)
//   1 rows          as attention, then: keys  heads queries (lists)
//                   scores cappedScores biasedScores weights (each a buffer or -1)
//   2 projection    rows steps inner columns  input (buffer type)
//                   weight (buffer type; or the buffer of a packed weight, and -1)  bias (list)
//                   activation (0 none, 1 silu, 2 gelu, 3 gelu-tanh, 4 relu)  gated (flag)  softcap
//                   residual (buffer or -1; where and in the type that the target is written)
//                   targets (count, then of each: firstColumn columns headWidth view
//                            norm (-1, or: weight (buffer) bias (buffer or -1) heads centered shared epsilon)
//                            rotation (-1, or: width interleaved rows  cos sin (buffers)))
//   3 merge         rows width type  parts (count, then of each: output logSumExp, both buffers)
//                   output logSumExp (buffers)  sinks (list)  rowsPerHead
//   4 append        heads width valueWidth  key value cachedKey cachedValue (views)  entries (count)
//                   parts (count, then of each: entry start steps position)  pages, a page list for each entry
//   5 cast          count  from to (buffer type)
//   6 heads         batch heads steps width  from (view) fromStart  to (view)  bias (-1, or: buffer start)
//                   rotation (-1, or: pairs interleaved rows  cos sin (buffers)  positions (list, each < rows))
//   7 norm          rows width type  input (buffer)  residual sum (buffers, or both -1)
//                   addend (buffer or -1)  output (buffer)  weight (buffer type)  bias (-1, or: buffer type)  offset epsilon  centered (flag)
//   8 sample        vocabulary  logits (buffer type)  tokens (buffer of int32)
//                   rows (count, then of each: temperature topK topP minP repetitionPenalty seed
//                         previous (list, each < vocabulary))
//   9 embedding     width type scale  output (buffer)
//                   tables (count, then of each: buffer length  ids (list, each < length; as many for each))
//  10 pooling       width type  input output (buffers)  pooling (0 mean, 1 first, 2 last)  normalised (flag)
//                   starts (list, from 0 on: of each sequence, then the end of the last)
//
//   pages        -1, or: steps pagesPerSlab keyStride valueStride (elements from page to page)
//                slabs (count, then of each: keys values (buffers)
//                       keyScales valueScales keyOutliers (each a buffer or -1))
//                page lists: page p is page p % pagesPerSlab of slab p / pagesPerSlab, which may have fewer
//                key and value, or cachedKey and cachedValue, then have the strides of a page and any of its
//                buffers
//   page list    index among the page lists of the operation; the first time, the list follows: count, pages
//   view         buffer type batchStride headStride stepStride
//   matrix       buffer type headStride
//   buffer       index into the buffers; the view begins where the typed array begins
//   type         0 float32, 1 float16, 2 bfloat16, 3 bool; of cached keys and values also 4 int8, 5 float8
//   list         count, then that many numbers
//   window       keys on each side, Infinity where unbounded
//   flag         0 or 1
// clang-format on
#pragma once

#include <span>
#include <vector>

#include "addon/memory.h"
#include "core/problem.h"

namespace heed {

// Does not trust its input: everything that a problem can reach lies inside its buffers, whatever the numbers
// say. It does not read the buffers, which may be device memory. Throws InvalidProblem and std::bad_alloc.
std::vector<Problem> read_problems(std::span<const double> numbers, std::span<const Memory> memories);

}  // namespace heed
