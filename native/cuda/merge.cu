// Merges attention over disjoint sets of keys: the weight of each part is its share of the joint log-sum-exp.
// One warp per row.
#include <cstdint>

#include "core/problem.h"
#include "cuda/common/element_type.h"
#include "cuda/common/entry_at.cuh"
#include "cuda/common/online_softmax.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

struct MergeParameters {
  Entries<MergeProblem::Part> parts;
  const float* sinks;  // one per head, in device memory, or null
  void* output;
  float* log_sum_exp;
  int64_t rows, width, rows_per_head, heads;
};

constexpr int64_t merge_rows_per_block = merge_threads / 32;

template <class T>
__global__ void __launch_bounds__(merge_threads) merge_kernel(const __grid_constant__ MergeParameters p) {
  const int64_t row = block::index() * merge_rows_per_block + warp::index();
  if (row >= p.rows) return;
  const float sink = p.sinks == nullptr ? negative_infinity : p.sinks[row / p.rows_per_head % p.heads];
  float highest = sink;
  for (int32_t i = 0; i < p.parts.count; ++i) {
    const float part = p.parts[i].log_sum_exp[row];
    if (part > highest) highest = part;
  }
  const auto share = [&](int32_t i) {
    return thread::exp2((p.parts[i].log_sum_exp[row] - highest) * log2_e);
  };
  float sum = sink == negative_infinity ? 0 : thread::exp2((sink - highest) * log2_e);
  // A part that attended nothing contributes nothing, whatever its output is.
  for (int32_t i = 0; i < p.parts.count; ++i)
    sum += p.parts[i].log_sum_exp[row] == negative_infinity ? 0 : share(i);
  for (int64_t d = thread::lane(); d < p.width; d += warp::size) {
    float joined = 0;
    for (int32_t i = 0; i < p.parts.count; ++i) {
      if (p.parts[i].log_sum_exp[row] == negative_infinity) continue;
      const auto* output = static_cast<const T*>(p.parts[i].output);
      joined += share(i) * thread::to_float(output[row * p.width + d]);
    }
    static_cast<T*>(p.output)[row * p.width + d] = thread::from_float<T>(sum == 0 ? 0 : joined / sum);
  }
  warp::sync();
  if (thread::lane() == 0)
    p.log_sum_exp[row] = sum == 0 ? negative_infinity : highest + thread::log2(sum) * ln_2;
}

void merge(const MergeProblem& problem, Workspace& workspace) {
  if (problem.rows == 0) return;
  const MergeParameters p{entries_of(problem.parts, workspace),
                          workspace.upload(problem.sinks),
                          problem.output,
                          problem.log_sum_exp,
                          problem.rows,
                          problem.width,
                          problem.rows_per_head,
                          static_cast<int64_t>(problem.sinks.size())};
  const LaunchShape shape{tiles_of(problem.rows, merge_rows_per_block), merge_threads, 0};
  with_element_type(problem.type, [&](auto element) {
    launch(&merge_kernel<typename decltype(element)::type>, shape, workspace, p);
  });
}

}  // namespace heed::cuda
