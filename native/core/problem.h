// Problem descriptions: the native twins of lib/problem/problem.ts. The code that fills one in has already
// checked that every element a view can reach lies inside its buffer; kernels trust them.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "core/attention.h"
#include "core/view.h"

namespace heed {

// The memory of Pages, whose tables are made when a problem is. Both views of a cache have the same pages.
struct PageTables {
  std::vector<int64_t> first;
  std::vector<void*> keys, values;
  std::vector<float*> key_scales, value_scales;  // of int8
  Pages key, value;                              // point to the above
};

// Its parameters, and what they point to.
struct AttentionProblem : AttentionParameters {
  std::vector<Sequence> sequences;
  std::shared_ptr<const PageTables> pages;  // that key and value may refer to

  // Keeps numbers of the scoring for as long as this and its copies last. Null where there are none.
  const float* keep(std::vector<float> numbers) {
    if (numbers.empty()) return nullptr;
    return kept_.emplace_back(std::make_shared<const std::vector<float>>(std::move(numbers)))->data();
  }

 private:
  std::vector<std::shared_ptr<const std::vector<float>>> kept_;
};

// Scores and weights of chosen heads and rows from the log-sum-exp. Each array is
// [batch, heads, queries, keys], contiguous; null unless asked for.
struct RowsProblem {
  AttentionProblem attention;
  int64_t keys = 0;
  std::vector<int32_t> heads;
  std::vector<int32_t> queries;
  float* scores = nullptr;
  float* capped_scores = nullptr;
  float* biased_scores = nullptr;
  float* weights = nullptr;
};

class PackedWeight;

// y = x Wᵀ + b. Row m of x is step m % steps of batch entry m / steps.
struct ProjectionProblem {
  int64_t rows = 0;
  int64_t steps = 0;
  int64_t inner = 0;
  int64_t columns = 0;
  const void* input = nullptr;  // [rows, inner], contiguous
  DType input_type = DType::float32;
  const void* weight = nullptr;  // [columns, inner], contiguous; null when packed
  DType weight_type = DType::float32;
  const PackedWeight* packed = nullptr;
  std::vector<float> bias;  // one per column, or empty
  std::vector<ProjectionTarget> targets;
};

// Joins attention over disjoint sets of keys; every part is [rows, width] with [rows] log-sum-exps.
struct MergeProblem {
  struct Part {
    const void* output = nullptr;
    const float* log_sum_exp = nullptr;
  };
  int64_t rows = 0;
  int64_t width = 0;
  DType type = DType::float32;
  std::vector<Part> parts;
  void* output = nullptr;
  float* log_sum_exp = nullptr;
};

// New keys and values on their way into a cache, rounded to its type.
struct AppendProblem {
  // Of one batch entry: steps [start, start + steps) of the new ones, from `position` on in the cache.
  struct Part {
    int64_t entry = 0;
    int64_t start = 0;
    int64_t steps = 0;
    int64_t position = 0;
  };
  // No two parts may go to the same place.
  std::vector<Part> parts;
  int64_t heads = 0;
  int64_t key_width = 0;
  int64_t value_width = 0;
  View key, value;                       // the new ones
  MutableView cached_key, cached_value;  // paged
  std::shared_ptr<const PageTables> pages;
};

// Contiguous elements from one floating type to another, rounded to nearest even. Neither side overlaps the
// other.
struct CastProblem {
  const void* from = nullptr;
  DType from_type = DType::float32;
  void* to = nullptr;
  DType to_type = DType::float32;
  int64_t count = 0;
};

// An operation is a list of them, in the order in which they are solved: each may read what the ones before
// it wrote. They are copied where they are needed longer; the buffers that they point to are not.
using Problem =
    std::variant<AttentionProblem, RowsProblem, ProjectionProblem, MergeProblem, AppendProblem, CastProblem>;

}  // namespace heed
