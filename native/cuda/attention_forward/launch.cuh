// Launches attention_forward: selects the instantiation and the blocks. The source of each type includes this
// file.
#pragma once

#include <vector>

#include "cuda/attention_forward/kernel.cuh"
#include "cuda/attention_forward/mask_tiles.h"
#include "cuda/common/aligned_rows.h"
#include "cuda/device/launch.cuh"
#include "cuda/tile_sizes.h"
#include "cuda/workspace.h"

namespace heed::cuda {

namespace detail {

// Entries with rows, and the total number of their blocks.
struct ForwardPlan {
  std::vector<ForwardEntry> entries;
  int64_t blocks = 0;
  ForwardPlan(const AttentionProblem& problem, int64_t tile_rows, int64_t column_tiles) {
    for (size_t batch = 0; batch < problem.sequences.size(); ++batch) {
      const Sequence& sequence = problem.sequences[batch];
      if (sequence.query_steps == 0) continue;
      const int64_t row_tiles = tiles_of(sequence.query_steps, tile_rows);
      entries.push_back({sequence, static_cast<int32_t>(batch), static_cast<int32_t>(row_tiles), blocks});
      blocks += row_tiles * problem.query_heads * column_tiles;
    }
  }
};

inline bool is_plain(const AttentionProblem& problem) {
  return problem.scoring.scale > 0 && problem.scoring.softcap == 0 && problem.scoring.alibi_slopes == nullptr;
}

inline bool has_aligned_fours(const MaskView& mask) {
  return reinterpret_cast<uintptr_t>(mask.data) % (4 * size_of(mask.type)) == 0 &&
         (mask.batch_stride | mask.head_stride | mask.query_stride) % 4 == 0;
}

template <class T, class Sizes, template <class, class> class Variant>
void launch_forward_variant(const AttentionProblem& problem, Workspace& workspace) {
  const int64_t column_tiles = tiles_of(problem.value_width, Sizes::value_columns);
  const ForwardPlan plan(problem, Sizes::rows, column_tiles);
  if (plan.blocks == 0) return;
  ForwardParameters p{};
  p.attention = parameters_of(problem, workspace);
  p.entries = entries_of(plan.entries, workspace);
  p.column_tiles = static_cast<int32_t>(column_tiles);
  p.aligned =
      has_aligned_rows(problem.query) && has_aligned_rows(problem.key) && has_aligned_rows(problem.value);
  p.output_aligned = has_aligned_rows(problem.output);
  if (problem.scoring.mask.data != nullptr) {
    p.mask_tiles = mask_tiles(problem, Sizes::rows, Sizes::keys, workspace);
    p.mask_aligned = has_aligned_fours(problem.scoring.mask);
  }
  launch(&attention_forward_kernel<T, Sizes, Variant>, {plan.blocks, Sizes::threads, Sizes::shared_bytes},
         workspace, p);
}

template <class T, int width>
void launch_forward_width(const AttentionProblem& problem, Workspace& workspace) {
  if (problem.scoring.mask.data != nullptr)
    return launch_forward_variant<T, ForwardTiles<T, width, true>, MaskedScores>(problem, workspace);
  if (is_plain(problem))
    return launch_forward_variant<T, ForwardTiles<T, width, false>, PlainScores>(problem, workspace);
  launch_forward_variant<T, ForwardTiles<T, width, true>, BiasedScores>(problem, workspace);
}

}  // namespace detail

template <class T>
void launch_forward(const AttentionProblem& problem, Workspace& workspace) {
  with_tile_width(problem.key_width, problem.value_width, [&](auto width) {
    detail::launch_forward_width<T, decltype(width)::value>(problem, workspace);
  });
}

}  // namespace heed::cuda
