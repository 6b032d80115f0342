// Launches attention_forward: selects the instantiation and the blocks. The source of each type includes this
// file.
#pragma once

#include <vector>

#include "cuda/attention_forward/kernel.cuh"
#include "cuda/attention_forward/mask_tiles.h"
#include "cuda/attention_forward/near_rows.h"
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
  const Scoring& scoring = problem.scoring;
  return scoring.score.kind != ScoreKind::cosine && scoring.scale > 0 && scoring.softcap == 0 &&
         scoring.alibi_slopes == nullptr;
}

inline bool has_aligned_fours(const MaskView& mask) {
  return reinterpret_cast<uintptr_t>(mask.data) % (4 * size_of(mask.type)) == 0 &&
         (mask.batch_stride | mask.head_stride | mask.query_stride) % 4 == 0;
}

// Whether rows begin at multiples of 16 bytes and consist of whole chunks of 16.
inline bool have_whole_chunks(const AttentionProblem& problem) {
  const int64_t widths = problem.key_width | problem.value_width;
  return has_aligned_keys(problem) && has_aligned_values(problem) &&
         widths * static_cast<int64_t>(size_of(problem.key.type)) % 16 == 0;
}

inline RowDistances distances_of(const View& view, int64_t rows_at_once) {
  const int64_t next = view.step_stride * static_cast<int64_t>(size_of(view.type));
  return {static_cast<int32_t>(next), rows_at_once * next};
}

// Whether rows of tensors are less than 2^31 bytes apart, so that their distance is a number of 32 bits.
inline bool have_near_steps(const AttentionProblem& problem) {
  const auto is_near = [](const View& view) {
    const int64_t most = INT32_MAX / static_cast<int64_t>(size_of(view.type));
    return view.step_stride >= -most && view.step_stride <= most;
  };
  return is_near(problem.key) && is_near(problem.value);
}

template <class T, class Sizes, template <class, class> class Variant,
          template <class, class, int> class Rows>
void launch_forward_rows(const AttentionProblem& problem, Workspace& workspace) {
  const int64_t column_tiles = tiles_of(problem.value_width, Sizes::value_columns);
  const ForwardPlan plan(problem, Sizes::rows, column_tiles);
  if (plan.blocks == 0) return;
  ForwardParameters p{};
  p.attention = parameters_of(problem, workspace);
  p.entries = entries_of(plan.entries, workspace);
  p.column_tiles = static_cast<int32_t>(column_tiles);
  p.key_distances = distances_of(problem.key, Sizes::rows_at_once);
  p.value_distances = distances_of(problem.value, Sizes::rows_at_once);
  p.query_aligned = has_aligned_rows(p.attention.query);
  p.aligned = has_aligned_keys(problem) && has_aligned_values(problem);
  p.output_aligned = has_aligned_rows(problem.output);
  if constexpr (Variant<typename ForwardProducts<T, Sizes>::Scores, Sizes>::reads_masks) {
    p.mask_tiles = mask_tiles(problem, Sizes::rows, Sizes::keys, workspace);
    p.mask_aligned = has_aligned_fours(problem.scoring.mask);
  }
  constexpr bool converted = Rows<T, Sizes, Sizes::width>::are_converted;
  launch(&attention_forward_kernel<T, Sizes, Variant, Rows>,
         {plan.blocks, Sizes::threads, converted ? Sizes::converted_bytes : Sizes::shared_bytes}, workspace,
         p);
}

// Tensors have a kernel for every variant, and pages for those without a mask. What is rare shares one
// kernel, which does everything: other rows, rows far apart, and masks with pages. So do scaled types.
template <class T, int width>
void launch_forward_width(const AttentionProblem& problem, Workspace& workspace) {
  using Plain = ForwardTiles<T, width, ForwardVariant::plain>;
  using Biased = ForwardTiles<T, width, ForwardVariant::biased>;
  using Masked = ForwardTiles<T, width, ForwardVariant::masked>;
  if constexpr (sizeof(T) == 2) {
    if (is_scaled(problem.key.type))
      return launch_forward_rows<T, Masked, MaskedScores, QuantisedRows>(problem, workspace);
  }
  const bool is_masked = problem.scoring.mask.data != nullptr, pages = is_paged(problem);
  const bool is_usual = pages ? !is_masked && have_near_rows(problem) : have_near_steps(problem);
  if (!is_usual || !have_whole_chunks(problem))
    return launch_forward_rows<T, Masked, MaskedScores, AnyRows>(problem, workspace);
  if (is_masked) return launch_forward_rows<T, Masked, MaskedScores, ContiguousRows>(problem, workspace);
  if (is_plain(problem))
    return pages ? launch_forward_rows<T, Plain, PlainScores, PagedRows>(problem, workspace)
                 : launch_forward_rows<T, Plain, PlainScores, ContiguousRows>(problem, workspace);
  return pages ? launch_forward_rows<T, Biased, BiasedScores, PagedRows>(problem, workspace)
               : launch_forward_rows<T, Biased, BiasedScores, ContiguousRows>(problem, workspace);
}

}  // namespace detail

template <class T>
void launch_forward(const AttentionProblem& problem, Workspace& workspace) {
  with_tile_width(problem.key_width, problem.value_width, [&](auto width) {
    detail::launch_forward_width<T, decltype(width)::value>(problem, workspace);
  });
}

}  // namespace heed::cuda
