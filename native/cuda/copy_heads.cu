// Copies heads from one view to another, with a bias and rotated. One warp per head of a step.
#include <cstdint>

#include "core/problem.h"
#include "cuda/common/element_type.h"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

struct CopyHeadsParameters {
  View from;
  MutableView to;
  const void* bias;  // of head 0, or null
  const void* cos;
  const void* sin;
  const int64_t* positions;  // in device memory, or null
  int64_t rows, heads, steps, width, pairs;
  bool interleaved;
};

constexpr int64_t copied_heads_per_block = copy_heads_threads / 32;

template <class T>
__global__ void __launch_bounds__(copy_heads_threads)
    copy_heads_kernel(const __grid_constant__ CopyHeadsParameters p) {
  const int64_t index = int64_t{block::index()} * copied_heads_per_block + warp::index();
  const int64_t head = index % p.heads, row = index / p.heads;
  if (row >= p.rows) return;
  const int64_t entry = row / p.steps, step = row % p.steps;
  const auto offset_in = [&](const auto& view) {
    return entry * view.batch_stride + head * view.head_stride + step * view.step_stride;
  };
  const T* from = static_cast<const T*>(p.from.data) + offset_in(p.from);
  T* to = static_cast<T*>(p.to.data) + offset_in(p.to);
  const T* bias = p.bias == nullptr ? nullptr : static_cast<const T*>(p.bias) + head * p.width;
  const auto element = [&](int64_t d) {
    const float x = thread::to_float(from[d]);
    return bias == nullptr ? x : x + thread::to_float(bias[d]);
  };
  if (p.pairs > 0) {
    const int64_t table = (p.positions == nullptr ? row : p.positions[row]) * p.pairs;
    const T* cosines = static_cast<const T*>(p.cos) + table;
    const T* sines = static_cast<const T*>(p.sin) + table;
    for (int64_t pair = thread::lane(); pair < p.pairs; pair += warp::size) {
      const int64_t first = p.interleaved ? 2 * pair : pair;
      const int64_t second = first + (p.interleaved ? 1 : p.pairs);
      const float cos = thread::to_float(cosines[pair]), sin = thread::to_float(sines[pair]);
      const float x = element(first), y = element(second);
      to[first] = thread::from_float<T>(x * cos - y * sin);
      to[second] = thread::from_float<T>(x * sin + y * cos);
    }
  }
  for (int64_t d = 2 * p.pairs + thread::lane(); d < p.width; d += warp::size)
    to[d] = thread::from_float<T>(element(d));
}

void copy_heads(const HeadsProblem& problem, Workspace& workspace) {
  const int64_t rows = problem.batch * problem.steps;
  if (rows * problem.heads * problem.width == 0) return;
  const int64_t* positions = workspace.upload(problem.positions);
  const LaunchShape shape{tiles_of(rows * problem.heads, copied_heads_per_block), copy_heads_threads, 0};
  with_element_type(problem.from.type, [&](auto element) {
    using T = typename decltype(element)::type;
    CopyHeadsParameters p{problem.from,  problem.to,    nullptr,       problem.cos,
                          problem.sin,   positions,     rows,          problem.heads,
                          problem.steps, problem.width, problem.pairs, problem.interleaved};
    p.from.data = static_cast<const T*>(problem.from.data) + problem.from_start;
    if (problem.bias != nullptr) p.bias = static_cast<const T*>(problem.bias) + problem.bias_start;
    launch(&copy_heads_kernel<T>, shape, workspace, p);
  });
}

}  // namespace heed::cuda
