#include "cuda/launchers.h"

#include <algorithm>
#include <string>

#include "cuda/attention_decode/combine.cuh"
#include "cuda/attention_decode/kernel.cuh"
#include "cuda/attention_decode/split.h"
#include "cuda/common/aligned_rows.h"
#include "cuda/common/element_type.h"
#include "cuda/device/launch.cuh"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

void check(const AttentionProblem& problem) {
  if (problem.query.type != problem.key.type || problem.query.type != problem.value.type) {
    throw Unsupported("queries, keys and values of different types");
  }
  if (std::max(problem.key_width, problem.value_width) > widest_head)
    throw Unsupported("heads wider than " + std::to_string(widest_head));
  for (const Sequence& sequence : problem.sequences) {
    if (sequence.key_steps > most_decode_keys) throw Unsupported("sequences of 2^31 keys or more");
  }
}

DecodeParameters parameters_of(const AttentionProblem& problem, const DecodeSplit& split,
                               Workspace& workspace) {
  DecodeParameters p{};
  p.attention = parameters_of(problem, workspace);
  p.entries = workspace.upload(split.entries);
  p.entry_count = static_cast<int32_t>(split.entries.size());
  p.aligned = has_aligned_rows(problem.query) && has_aligned_keys(problem) && has_aligned_values(problem);
  p.mask_aligned = has_aligned_mask(problem);
  p.rows = split.rows;
  p.partial_width = static_cast<int32_t>((problem.value_width + 7) / 8 * 8);
  if (split.partials > 0) {
    p.partial_outputs =
        workspace.allocate_array<float>(static_cast<size_t>(split.partials * p.partial_width));
    p.partial_sums = workspace.allocate_array<Vector<float, 2>>(static_cast<size_t>(split.partials));
  }
  return p;
}

template <class T, int width>
void launch_width(const DecodeParameters& p, int64_t blocks, Stream stream) {
  using Sizes = DecodeTiles<T, width>;
  const MaskView& mask = p.attention.scoring.mask;
  const size_t mask_bytes = mask.data == nullptr ? 0 : decode_mask_bytes<Sizes::keys>(mask.type);
  launch(&attention_decode_kernel<T, width>, {blocks, Sizes::threads, Sizes::shared_bytes + mask_bytes},
         stream, p);
}

}  // namespace

void attention_decode(const AttentionProblem& problem, Workspace& workspace, int64_t blocks_at_once) {
  check(problem);
  const DecodeSplit split = split_of(problem, blocks_at_once);
  if (split.blocks == 0) return;
  const DecodeParameters p = parameters_of(problem, split, workspace);
  with_element_type(problem.query.type, [&](auto element) {
    with_tile_width(problem.key_width, problem.value_width, [&](auto width) {
      launch_width<typename decltype(element)::type, decltype(width)::value>(p, split.blocks,
                                                                             workspace.stream());
    });
  });
  if (split.partials == 0) return;
  const int64_t blocks = tiles_of(split.rows, combine_rows_per_block);
  launch(&attention_combine_kernel, {blocks, combine_threads, 0}, workspace.stream(), p);
}

}  // namespace heed::cuda
