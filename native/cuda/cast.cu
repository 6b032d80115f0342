// Converts elements from one floating type to another.
#include <cstdint>

#include "cuda/common/element_type.h"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

template <class From, class To>
struct CastParameters {
  const From* from;
  To* to;
  int64_t count;
};

// Reads and writes `vector` neighbours at once: 4 if both sides are aligned to that many elements, else 1.
template <int vector, class From, class To>
__global__ void __launch_bounds__(cast_threads)
    cast_kernel(const __grid_constant__ CastParameters<From, To> p) {
  const From* const __restrict__ from = p.from;
  To* const __restrict__ to = p.to;
  const int64_t count = p.count;
  const int64_t begin = block::index() * cast_elements_per_block;
  const int64_t end = begin + cast_elements_per_block < count ? begin + cast_elements_per_block : count;
  int64_t at = begin + thread::index() * vector;
  for (; at + vector <= end; at += cast_threads * vector) {
    const Vector<From, vector> read = thread::load_global<vector>(from + at);
    Vector<To, vector> written;
    for (int i = 0; i < vector; ++i) written[i] = thread::from_float<To>(thread::to_float(read[i]));
    thread::store_global(to + at, written);
  }
  for (; at < end; ++at) to[at] = thread::from_float<To>(thread::to_float(from[at]));
}

namespace {

bool is_aligned(const void* pointer, DType type) {
  return reinterpret_cast<uintptr_t>(pointer) % (4 * size_of(type)) == 0;
}

}  // namespace

void cast(const CastProblem& problem, Workspace& workspace) {
  if (problem.count == 0) return;
  const LaunchShape shape{tiles_of(problem.count, cast_elements_per_block), cast_threads, 0};
  const bool aligned = is_aligned(problem.from, problem.from_type) && is_aligned(problem.to, problem.to_type);
  with_element_type(problem.from_type, [&](auto from_element) {
    with_element_type(problem.to_type, [&](auto to_element) {
      using From = typename decltype(from_element)::type;
      using To = typename decltype(to_element)::type;
      launch(aligned ? &cast_kernel<4, From, To> : &cast_kernel<1, From, To>, shape, workspace,
             {static_cast<const From*>(problem.from), static_cast<To*>(problem.to), problem.count});
    });
  });
}

}  // namespace heed::cuda
