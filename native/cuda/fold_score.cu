#include "cuda/fold_score.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "cuda/common/aligned_rows.h"
#include "cuda/common/element_type.h"
#include "cuda/common/entry_at.cuh"
#include "cuda/common/head_rows.cuh"
#include "cuda/common/row_share.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

// ── general scores ──

// One batch entry that has query rows.
struct FoldEntry {
  int64_t first_row = 0;  // query steps of earlier entries
  int64_t query_start = 0;
  int64_t batch = 0;
};

struct FoldParameters {
  View query;
  HeadMatrix weight;
  MutableView folded;
  Entries<FoldEntry> entries;
  int32_t query_width, key_width;
  int64_t rows, row_tiles;  // query steps of all entries
};

namespace {

// The address at which a row begins, of the query steps of all entries and one head.
template <class Pointer>
__device__ __forceinline__ int64_t row_offset(const FoldParameters& p, const BasicView<Pointer>& view,
                                              int64_t head, int64_t row) {
  const FoldEntry& entry = entry_at(p.entries, row, [](const FoldEntry& e) { return e.first_row; });
  return entry.batch * view.batch_stride + head * view.head_stride +
         (entry.query_start + row - entry.first_row) * view.step_stride;
}

}  // namespace

// A block has `fold_rows` rows of one head, of any entries. Each thread has a column of Wᵀ q for all of them,
// so that an element of W is read once.
template <class T>
__global__ void __launch_bounds__(fold_threads)
    fold_queries_kernel(const __grid_constant__ FoldParameters p) {
  const int64_t head = block::index() / p.row_tiles;
  const int64_t first_row = block::index() % p.row_tiles * fold_rows;
  const auto thread_index = static_cast<int32_t>(thread::index());

  auto* queries = block::shared_memory<float>();  // [query_width, fold_rows]
  const int32_t row = thread_index % fold_rows;
  const bool exists = first_row + row < p.rows;
  const T* from =
      static_cast<const T*>(p.query.data) + (exists ? row_offset(p, p.query, head, first_row + row) : 0);
  for (int32_t d = thread_index / fold_rows; d < p.query_width; d += int32_t{fold_threads} / fold_rows)
    queries[d * fold_rows + row] = exists ? thread::to_float(from[d]) : 0;
  block::sync();

  for (int32_t column = thread_index; column < p.key_width; column += int32_t{fold_threads}) {
    float sums[fold_rows] = {};
    with_element(p.weight.type, [&](auto element) {
      const auto* weights =
          static_cast<const decltype(element)*>(p.weight.data) + head * p.weight.head_stride + column;
#pragma unroll 4
      for (int32_t d = 0; d < p.query_width; ++d) {
        const float weight = thread::to_float(weights[int64_t{d} * p.key_width]);
#pragma unroll
        for (int32_t r = 0; r < fold_rows; r += 4) {
          const auto four = thread::load_shared<4>(queries + d * fold_rows + r);
#pragma unroll
          for (int32_t e = 0; e < 4; ++e) sums[r + e] += four[e] * weight;
        }
      }
    });
#pragma unroll
    for (int32_t r = 0; r < fold_rows; ++r) {
      if (first_row + r >= p.rows) continue;
      static_cast<T*>(p.folded.data)[row_offset(p, p.folded, head, first_row + r) + column] =
          thread::from_float<T>(sums[r]);
    }
  }
}

// ── cosines ──

// The rows of one batch entry, of queries or of keys.
struct LengthEntry {
  int64_t first_block = 0, head_blocks = 0;
  int64_t first_factor = 0;
  int64_t start = 0, steps = 0;
  int64_t batch = 0;
};

struct LengthParameters {
  View rows;
  PagesOnDevice pages;
  Entries<LengthEntry> entries;
  int32_t heads, width;
  bool aligned;        // rows begin at multiples of 16 bytes
  MutableView scaled;  // queries, divided by a power of 2 that is about their length; no data for keys
  float* factors;
};

namespace {

constexpr int32_t length_rows = static_cast<int32_t>(fold_threads) / lanes_of_row;  // of a block at once

// 1 / ‖x‖. 0 for zeros, and where an element is ∞: its products are ∞ or NaN, and 0 times that is NaN. A
// result beyond float32 is its largest number.
template <class T>
__device__ __forceinline__ float inverse_length(const T* row, int32_t width, bool aligned) {
  const auto squares_of = [&](float scale) {
    float sum = 0;
    each_of_share(row, width, aligned, [&](int32_t, float x) { sum += x * scale * (x * scale); });
    return reduce_row(sum, Sum{});
  };
  float scale = 1, squares = squares_of(scale);
  // Squares beyond this range would be rounded to few bits, to 0 or to ∞.
  if (!(squares > 1e-30f && squares < 1e37f)) {
    scale = squares < 1 ? 0x1p100f : 0x1p-80f;
    squares = squares_of(scale);
  }
  if (squares == 0) return 0;
  const float inverse = 1 / sqrtf(squares) * scale;
  return inverse > FLT_MAX ? FLT_MAX : inverse;
}

// The largest power of 2 that is not above x, as far as normal numbers go; 1 for NaN.
__device__ __forceinline__ float power_of_two(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits &= 0x7f800000;
  float power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return x == x ? fmaxf(power, FLT_MIN) : 1;
}

}  // namespace

// Eight lanes share a row.
template <class T>
__global__ void __launch_bounds__(fold_threads)
    row_lengths_kernel(const __grid_constant__ LengthParameters p) {
  const LengthEntry& entry =
      entry_at(p.entries, block::index(), [](const LengthEntry& e) { return e.first_block; });
  const int64_t within = block::index() - entry.first_block, head = within / entry.head_blocks;
  const int64_t step = within % entry.head_blocks * length_rows + thread::index() / lanes_of_row;
  if (step >= entry.steps) return;
  const T* row =
      HeadRows(p.rows, p.pages, entry.batch, head, entry.start).template row<T>(static_cast<int32_t>(step));
  float factor = inverse_length(row, p.width, p.aligned);
  if (p.scaled.data != nullptr) {
    const float power = power_of_two(factor);
    factor /= power;
    T* scaled = static_cast<T*>(p.scaled.data) + entry.batch * p.scaled.batch_stride +
                head * p.scaled.head_stride + (entry.start + step) * p.scaled.step_stride;
    each_of_share(row, p.width, p.aligned,
                  [&](int32_t d, float x) { scaled[d] = thread::from_float<T>(x * power); });
  }
  if (thread::lane() % lanes_of_row == 0) p.factors[entry.first_factor + head * entry.steps + step] = factor;
}

namespace {

// Memory for queries of that width, at the same batch entries, heads and steps.
MutableView like_queries(const AttentionProblem& problem, int64_t width, Workspace& workspace) {
  int64_t steps = 0;
  for (const Sequence& sequence : problem.sequences)
    steps = std::max(steps, sequence.query_start + sequence.query_steps);
  const auto batch = static_cast<int64_t>(problem.sequences.size());
  const bool packed = problem.query.batch_stride == 0;
  const int64_t head_stride = steps * width, batch_stride = problem.query_heads * head_stride;
  const int64_t elements = batch_stride * (packed ? 1 : batch);
  void* data = workspace.allocate(static_cast<size_t>(elements) * size_of(problem.query.type));
  return {data, problem.query.type, packed ? 0 : batch_stride, head_stride, width};
}

View as_view(const MutableView& view) {
  return {view.data, view.type, view.batch_stride, view.head_stride, view.step_stride};
}

void fold_weight(const AttentionProblem& problem, DeviceAttention& p, Workspace& workspace) {
  const size_t shared = static_cast<size_t>(problem.query_width) * fold_rows * sizeof(float);
  if (shared > most_shared_bytes_of_block)
    throw Unsupported("general scores of queries wider than " +
                      std::to_string(most_shared_bytes_of_block / (fold_rows * sizeof(float))));
  FoldParameters fold{};
  std::vector<FoldEntry> entries;
  for (size_t batch = 0; batch < problem.sequences.size(); ++batch) {
    const Sequence& sequence = problem.sequences[batch];
    if (sequence.query_steps == 0) continue;
    entries.push_back({fold.rows, sequence.query_start, static_cast<int64_t>(batch)});
    fold.rows += sequence.query_steps;
  }
  if (fold.rows == 0) return;
  fold.query = problem.query;
  fold.weight = problem.scoring.score.weight;
  fold.folded = like_queries(problem, problem.key_width, workspace);
  fold.entries = entries_of(entries, workspace);
  fold.query_width = static_cast<int32_t>(problem.query_width);
  fold.key_width = static_cast<int32_t>(problem.key_width);
  fold.row_tiles = tiles_of(fold.rows, fold_rows);
  with_element_type(problem.query.type, [&](auto element) {
    launch(&fold_queries_kernel<typename decltype(element)::type>,
           {problem.query_heads * fold.row_tiles, fold_threads, shared}, workspace, fold);
  });
  p.query = as_view(fold.folded);
}

// Launches row_lengths_kernel for rows whose parameters are complete but for the entries.
void find_lengths(LengthParameters lengths, const std::vector<LengthEntry>& entries, int64_t blocks,
                  Workspace& workspace) {
  if (blocks == 0) return;
  lengths.entries = entries_of(entries, workspace);
  with_element_type(lengths.rows.type, [&](auto element) {
    launch(&row_lengths_kernel<typename decltype(element)::type>, {blocks, fold_threads, 0}, workspace,
           lengths);
  });
}

// The entries of a launch, and how many blocks and factors they have.
struct LengthPlan {
  std::vector<LengthEntry> entries;
  int64_t blocks = 0, factors = 0;
  void add(size_t batch, int64_t start, int64_t steps, int64_t heads) {
    if (steps > INT32_MAX) throw Unsupported("cosines of 2^31 rows of a head or more");
    if (steps == 0) return;
    const int64_t head_blocks = tiles_of(steps, length_rows);
    entries.push_back({blocks, head_blocks, factors, start, steps, static_cast<int64_t>(batch)});
    blocks += heads * head_blocks;
    factors += heads * steps;
  }
};

void fold_lengths(const AttentionProblem& problem, DeviceAttention& p, Workspace& workspace) {
  if (size_of(problem.key.type) < 2) throw Unsupported("cosines over caches of 8 bits");
  LengthPlan queries, keys;
  std::vector<ScoreFactors::First> first;
  for (size_t batch = 0; batch < problem.sequences.size(); ++batch) {
    const Sequence& sequence = problem.sequences[batch];
    first.push_back({queries.factors, keys.factors});
    if (sequence.query_steps == 0) continue;
    queries.add(batch, sequence.query_start, sequence.query_steps, problem.query_heads);
    keys.add(batch, sequence.key_start, sequence.key_steps, problem.key_heads);
  }
  LengthParameters of_queries{}, of_keys{};
  of_queries.rows = problem.query;
  of_queries.heads = p.query_heads;
  of_queries.width = of_keys.width = p.key_width;
  of_queries.aligned = has_aligned_rows(problem.query);
  of_queries.scaled = like_queries(problem, problem.key_width, workspace);
  of_queries.factors = workspace.allocate_array<float>(static_cast<size_t>(queries.factors));
  of_keys.rows = problem.key;
  of_keys.pages = p.pages.key;
  of_keys.heads = p.key_heads;
  of_keys.aligned = has_aligned_keys(problem);
  of_keys.factors = workspace.allocate_array<float>(static_cast<size_t>(keys.factors));
  p.factors = {of_queries.factors, of_keys.factors, workspace.upload(first)};
  p.query = as_view(of_queries.scaled);
  find_lengths(of_queries, queries.entries, queries.blocks, workspace);
  find_lengths(of_keys, keys.entries, keys.blocks, workspace);
}

}  // namespace

void fold_score(const AttentionProblem& problem, DeviceAttention& p, Workspace& workspace) {
  switch (problem.scoring.score.kind) {
    case ScoreKind::product:
      return;
    case ScoreKind::general:
      return fold_weight(problem, p, workspace);
    case ScoreKind::cosine:
      return fold_lengths(problem, p, workspace);
    default:
      throw Unsupported("scores of types location and additive");
  }
}

}  // namespace heed::cuda
