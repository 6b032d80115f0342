#include "cuda/attention_decode.h"

#include <algorithm>

#include "cuda/aligned_rows.h"
#include "cuda/decode_split.h"
#include "cuda/device/launch.cuh"
#include "cuda/element_type.h"
#include "cuda/kernels/attention_combine.cuh"
#include "cuda/kernels/attention_decode.cuh"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

constexpr int64_t widest_head = 512;

void check(const AttentionProblem& problem) {
  if (problem.query.type != problem.key.type || problem.query.type != problem.value.type) {
    throw Unsupported("queries, keys and values of different types");
  }
  if (std::max(problem.key_width, problem.value_width) > widest_head) throw Unsupported("heads wider than 512");
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

template <class T>
void launch_type(const DecodeParameters& p, int64_t blocks, Stream stream) {
  const int32_t width = std::max(p.attention.width, p.attention.value_width);
  if (width <= 64) return launch_width<T, 64>(p, blocks, stream);
  if (width <= 128) return launch_width<T, 128>(p, blocks, stream);
  if (width <= 256) return launch_width<T, 256>(p, blocks, stream);
  launch_width<T, 512>(p, blocks, stream);
}

}  // namespace

void attention_decode(const AttentionProblem& problem, Workspace& workspace, int64_t blocks_at_once) {
  check(problem);
  const DecodeSplit split = split_of(problem, blocks_at_once);
  if (split.blocks == 0) return;
  const DecodeParameters p = parameters_of(problem, split, workspace);
  with_element_type(problem.query.type, [&](auto element) {
    launch_type<typename decltype(element)::type>(p, split.blocks, workspace.stream());
  });
  if (split.partials == 0) return;
  const int64_t blocks = (split.rows + combine_rows_per_block - 1) / combine_rows_per_block;
  launch(&attention_combine_kernel, {blocks, combine_threads, 0}, workspace.stream(), p);
}

}  // namespace heed::cuda
