// Problem descriptions: the native counterparts of lib/problem/problem.ts. The code that fills in a problem
// has already checked that every element that a view can reach lies inside its buffer; kernels rely on this.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "core/attention.h"
#include "core/epilogue.h"
#include "core/norm.h"
#include "core/view.h"

namespace heed {

// Owns the tables that Pages points to; they are built with the problem. Both views of a cache share the same
// pages.
struct PageTables {
  std::vector<int64_t> first;
  std::vector<void*> keys, values;
  std::vector<float*> key_scales, value_scales;  // for scaled types
  std::vector<uint8_t*> key_outliers;            // for keys of int8 that may have some
  Pages key, value;                              // refer to the tables above
};

// An attention problem: its parameters and the memory that they point to.
struct AttentionProblem : AttentionParameters {
  std::vector<Sequence> sequences;
  std::shared_ptr<const PageTables> pages;  // that key and value may refer to

  // Keeps numbers of the scoring alive as long as this problem and its copies. Null if there are none.
  const float* keep(std::vector<float> numbers) {
    if (numbers.empty()) return nullptr;
    return kept_.emplace_back(std::make_shared<const std::vector<float>>(std::move(numbers)))->data();
  }

 private:
  std::vector<std::shared_ptr<const std::vector<float>>> kept_;
};

// Scores and weights of chosen heads and rows, from the log-sum-exp. Each array is [batch, heads, queries,
// keys], contiguous; null unless requested. Rows and keys past the end of a sequence have scores of −∞.
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
  // Of a single target without norm and rotation, if present. A gated one has an even first column and an
  // even head width, half of which is written.
  Epilogue epilogue;
  std::vector<ProjectionTarget> targets;
};

// Merges attention over disjoint sets of keys; every part is [rows, width] with [rows] log-sum-exps. Rows of
// one head are consecutive, and heads repeat.
struct MergeProblem {
  struct Part {
    const void* output = nullptr;
    const float* log_sum_exp = nullptr;
  };
  std::vector<float> sinks;  // one per head, or empty
  int64_t rows_per_head = 1;
  int64_t rows = 0;
  int64_t width = 0;
  DType type = DType::float32;
  std::vector<Part> parts;
  void* output = nullptr;
  float* log_sum_exp = nullptr;
};

// New keys and values to write to a cache, rounded to its type.
struct AppendProblem {
  // New steps [start, start + steps) of one batch entry, written to the cache from `position` on.
  struct Part {
    int64_t entry = 0;
    int64_t start = 0;
    int64_t steps = 0;
    int64_t position = 0;
  };
  // No two parts may write to the same place.
  std::vector<Part> parts;
  int64_t heads = 0;
  int64_t key_width = 0;
  int64_t value_width = 0;
  View key, value;                       // the new rows
  MutableView cached_key, cached_value;  // in pages
  std::shared_ptr<const PageTables> pages;
};

// Converts contiguous elements from one floating type to another, rounding to nearest even. Source and
// destination do not overlap.
struct CastProblem {
  const void* from = nullptr;
  DType from_type = DType::float32;
  void* to = nullptr;
  DType to_type = DType::float32;
  int64_t count = 0;
};

// Copies heads of [batch, heads, steps, width] from one view to another of the same type, which do not
// overlap: first a bias is added, then each pair (x, y) among the leading elements of a head is rotated to
// (x cos − y sin, x sin + y cos). Results are rounded once.
struct HeadsProblem {
  int64_t batch = 0;
  int64_t heads = 0;
  int64_t steps = 0;
  int64_t width = 0;
  View from;
  int64_t from_start = 0;  // the element of `from` at which the first head begins
  MutableView to;
  const void* bias = nullptr;  // of the same type, or null: that of head h, element d is
  int64_t bias_start = 0;      // element bias_start + h * width + d
  int64_t pairs = 0;           // 0: nothing is rotated
  bool interleaved = false;    // pairs are neighbours; otherwise `pairs` apart
  const void* cos = nullptr;
  const void* sin = nullptr;  // tables [positions, pairs] of the same type, contiguous
  // The row of the tables for each [batch, step]; empty if there is one for each, in order.
  std::vector<int64_t> positions;
};

// How a token is chosen from a row of logits; see lib/backends/reference/sample.ts.
struct Sampling {
  double temperature = 0;  // 0: the largest logit
  int64_t top_k = 1;       // at most the vocabulary
  double top_p = 1;
  double min_p = 0;
  double repetition_penalty = 1;
  uint64_t seed = 0;
  std::vector<int32_t> previous;  // what the penalty applies to
};

// A token for each row of logits; −1 where a row has none to choose from, or is not all numbers.
struct SampleProblem {
  int64_t vocabulary = 0;
  const void* logits = nullptr;  // [rows, vocabulary], contiguous
  DType type = DType::float32;
  std::vector<Sampling> rows;
  int32_t* tokens = nullptr;
};

// Rows of tables, added: row i is scale · tables[0][ids[i]] + tables[1][ids[i]] + …, with the ids of each.
struct EmbeddingProblem {
  struct Table {
    const void* data = nullptr;  // [length, width], contiguous
    std::vector<int64_t> ids;    // below the length, one for each row
  };
  int64_t width = 0;
  DType type = DType::float32;  // of tables and output
  std::vector<Table> tables;    // at least one
  float scale = 1;
  void* output = nullptr;  // [rows, width], contiguous

  int64_t rows() const { return static_cast<int64_t>(tables.front().ids.size()); }
};

enum class Pooling : uint8_t { mean, first, last };

// A row for each sequence of rows; zeros where a sequence has none.
struct PoolingProblem {
  int64_t width = 0;
  DType type = DType::float32;  // of input and output
  const void* input = nullptr;  // [tokens, width], contiguous
  std::vector<int64_t> starts;  // of each sequence, increasing from 0, then the end of the last
  Pooling pooling = Pooling::mean;
  bool normalised = false;  // whether rows are divided by √(Σ x²), unless that is 0
  void* output = nullptr;   // [sequences, width], contiguous

  int64_t sequences() const { return static_cast<int64_t>(starts.size()) - 1; }
};

// An operation is a list of problems, solved in order: each may read what earlier ones wrote. Problems are
// copied if they are needed longer; the buffers that they point to are not.
using Problem =
    std::variant<AttentionProblem, RowsProblem, ProjectionProblem, MergeProblem, AppendProblem, CastProblem,
                 HeadsProblem, NormProblem, SampleProblem, EmbeddingProblem, PoolingProblem>;

}  // namespace heed
