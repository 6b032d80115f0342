// Whether rows can be copied 16 bytes at a time.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "cuda/device_pages.h"

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

}  // namespace heed::cuda
