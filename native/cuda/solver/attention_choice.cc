#include "cuda/solver/attention_choice.h"
#include "cuda/tile_sizes.h"

#include <algorithm>

#include "cuda/attention_parameters.h"

namespace heed::cuda {

// attention_forward gives each tile of 64 or 128 query rows of one head a block, which reads all of the keys:
// fast where there are many tiles, each full. With few rows most of a tile is idle, and one block for each
// head leaves most of the GPU idle. attention_decode puts the rows of all heads that share a key head into
// one tile of 16, and cuts the keys among blocks; with more rows than one tile holds, keys are read once for
// every tile. Only it reads pages.
AttentionKernel kernel_for(const AttentionProblem& problem) {
  if (is_paged(problem)) return AttentionKernel::decode;
  const int64_t group = problem.query_heads / problem.key_heads;
  const bool few_rows = std::ranges::all_of(problem.sequences, [group](const Sequence& sequence) {
    return sequence.query_steps <= decode_rows / group;
  });
  return few_rows ? AttentionKernel::decode : AttentionKernel::forward;
}

}  // namespace heed::cuda
