// A row for each sequence of rows. The warps of a block divide the steps of a sequence, for 32 chunks of 16
// bytes of its rows, and sum in float64, into which no sum of float32 overflows. How they divide them depends
// on the sequence alone, so that it comes to the same bits in every batch. Where rows are normalised, a
// second kernel takes the sums, a warp for each sequence.
#include <cstdint>

#include "core/problem.h"
#include "cuda/common/element_type.h"
#include "cuda/common/entry_at.cuh"
#include "cuda/common/row_chunks.cuh"
#include "cuda/common/row_reductions.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

struct PoolParameters {
  Entries<int64_t> starts;  // and the end of the last sequence
  const void* input;
  void* output;
  double* sums;  // [sequences, width], written instead of the output; or null
  int64_t width;
  int64_t parts;  // of a row, each a block's
  Pooling pooling;
  bool aligned;
};

constexpr int32_t pool_warps = pool_threads / 32;
// Of the lanes' elements in shared memory: those that 16 lanes read at once lie in different banks.
template <class T>
constexpr int32_t pool_pitch = 32 + 16 / chunk_elements<T>;

template <class T>
__global__ void __launch_bounds__(pool_threads) pool_kernel(const __grid_constant__ PoolParameters p) {
  constexpr int32_t elements = chunk_elements<T>, pitch = pool_pitch<T>;
  const int64_t sequence = block::index() / p.parts, part = block::index() - sequence * p.parts;
  const int64_t d = (part * warp::size + thread::lane()) * elements;
  const int64_t start = p.starts[sequence], end = p.starts[sequence + 1];
  const bool mean = p.pooling == Pooling::mean;
  const int64_t count = mean ? end - start : end > start;
  const int64_t first = p.pooling == Pooling::last ? end - count : start;

  double sums[elements] = {};
  if (d < p.width) {
    for (int64_t step = warp::index(); step < count; step += pool_warps) {
      const auto* row = static_cast<const T*>(p.input) + (first + step) * p.width;
      const Chunk<T> chunk = load_chunk(row, p.width, d, p.aligned);
#pragma unroll
      for (int32_t e = 0; e < elements; ++e) sums[e] += double{thread::to_float(chunk[e])};
    }
  }
  auto* shared = block::shared_memory<double>();  // [warps, elements, pitch]
#pragma unroll
  for (int32_t e = 0; e < elements; ++e)
    shared[(static_cast<int32_t>(warp::index()) * elements + e) * pitch +
           static_cast<int32_t>(thread::lane())] = sums[e];
  block::sync();
  for (auto i = static_cast<int32_t>(thread::index()); i < elements * 32; i += int32_t{pool_threads}) {
    const int64_t column = part * elements * 32 + i;
    if (column >= p.width) return;
    const int32_t place = i % elements * pitch + i / elements;
    double sum = shared[place];
#pragma unroll
    for (int32_t w = 1; w < pool_warps; ++w) sum += shared[w * elements * pitch + place];
    const int64_t at = sequence * p.width + column;
    if (p.sums != nullptr) {
      p.sums[at] = sum;
    } else {
      const double divisor = count > 1 ? static_cast<double>(count) : 1;
      static_cast<T*>(p.output)[at] = thread::from_float<T>(static_cast<float>(sum / divisor));
    }
  }
}

struct PoolNormalisation {
  const double* sums;  // [sequences, width]
  void* output;
  int64_t sequences, width;
};

template <class T>
__global__ void __launch_bounds__(pool_threads)
    pool_normalise_kernel(const __grid_constant__ PoolNormalisation p) {
  const int64_t sequence = int64_t{block::index()} * pool_warps + warp::index();
  if (sequence >= p.sequences) return;
  const double* sums = p.sums + sequence * p.width;
  double squares = 0;
  for (int64_t d = thread::lane(); d < p.width; d += warp::size) squares += sums[d] * sums[d];
  squares = reduce_warp(squares, [](double a, double b) { return a + b; });
  const double length = squares == 0 ? 1 : sqrt(squares);
  for (int64_t d = thread::lane(); d < p.width; d += warp::size) {
    static_cast<T*>(p.output)[sequence * p.width + d] =
        thread::from_float<T>(static_cast<float>(sums[d] / length));
  }
}

void pool(const PoolingProblem& problem, Workspace& workspace) {
  const int64_t sequences = problem.sequences(), width = problem.width;
  if (sequences == 0 || width == 0) return;
  const auto elements = static_cast<int64_t>(16 / size_of(problem.type));
  double* sums = nullptr;
  if (problem.normalised) sums = workspace.allocate_array<double>(static_cast<size_t>(sequences * width));
  const PoolParameters p{entries_of(problem.starts, workspace),
                         problem.input,
                         problem.output,
                         sums,
                         width,
                         tiles_of(width, warp::size * elements),
                         problem.pooling,
                         begins_aligned(problem.input) && width % elements == 0};
  with_element_type(problem.type, [&](auto element) {
    using T = typename decltype(element)::type;
    constexpr size_t shared_bytes = sizeof(double) * pool_warps * chunk_elements<T> * pool_pitch<T>;
    launch(&pool_kernel<T>, {sequences * p.parts, pool_threads, shared_bytes}, workspace, p);
    if (!problem.normalised) return;
    launch(&pool_normalise_kernel<T>, {tiles_of(sequences, pool_warps), pool_threads, 0}, workspace,
           {sums, problem.output, sequences, width});
  });
}

}  // namespace heed::cuda
