// Whether rows can be copied 16 bytes at a time.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "cuda/common/device_pages.h"

namespace heed::cuda {

template <class AnyView>
bool has_aligned_rows(const AnyView& view, size_t bytes = 16) {
  const auto elements = static_cast<int64_t>(bytes / size_of(view.type));
  return reinterpret_cast<uintptr_t>(view.data) % bytes == 0 &&
         (view.batch_stride | view.head_stride | view.step_stride) % elements == 0;
}

inline bool has_aligned_keys(const AttentionProblem& problem) {
  return has_aligned_rows(problem.key) &&
         (problem.key.pages == nullptr || are_aligned(problem.pages->keys, 16));
}
inline bool has_aligned_values(const AttentionProblem& problem) {
  return has_aligned_rows(problem.value) &&
         (problem.value.pages == nullptr || are_aligned(problem.pages->values, 16));
}

// Also requires that the keys of the mask are neighbours. Strides along axes of one element do not matter.
inline bool has_aligned_mask(const AttentionProblem& problem) {
  const MaskView& mask = problem.scoring.mask;
  int64_t strides = problem.query_heads > 1 ? mask.head_stride : 0;
  if (problem.sequences.size() > 1) strides |= mask.batch_stride;
  for (const Sequence& sequence : problem.sequences) {
    if (sequence.query_steps > 1) strides |= mask.query_stride;
  }
  const auto elements = static_cast<int64_t>(16 / size_of(mask.type));
  return mask.key_stride == 1 && reinterpret_cast<uintptr_t>(mask.data) % 16 == 0 && strides % elements == 0;
}

}  // namespace heed::cuda
