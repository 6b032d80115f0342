// Which rows in pages attention_forward can copy.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "cuda/common/aligned_rows.h"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

// Whether pages have less than 2^32 bytes, so that a place in one is a number of 32 bits.
inline bool have_near_rows(const AttentionProblem& problem) {
  const auto is_near = [&problem](const View& view) {
    if (view.step_stride < 0 || view.head_stride < 0 || view.pages->steps > INT32_MAX) return false;
    const int64_t most = UINT32_MAX / static_cast<int64_t>(size_of(view.type)) - widest_head;
    return view.step_stride <= most / view.pages->steps / 2 &&
           view.head_stride <= most / problem.key_heads / 2;
  };
  return is_near(problem.key) && is_near(problem.value) && problem.pages->keys.size() <= UINT32_MAX;
}

// Whether keys and values are of one scaled type, in rows that QuantisedRows copies, for queries of 16 bits.
inline bool have_quantised_rows(const AttentionProblem& problem) {
  constexpr size_t chunk = 8;  // as many elements as 16 bytes of 16 bits have
  const auto is_aligned = [](const View& view, const std::vector<void*>& pages) {
    return has_aligned_rows(view, chunk) && are_aligned(pages, chunk);
  };
  return size_of(problem.query.type) == 2 && is_scaled(problem.key.type) &&
         problem.value.type == problem.key.type && problem.key.pages != nullptr && have_near_rows(problem) &&
         (problem.key_width | problem.value_width) % static_cast<int64_t>(chunk) == 0 &&
         is_aligned(problem.key, problem.pages->keys) && is_aligned(problem.value, problem.pages->values);
}

}  // namespace heed::cuda
