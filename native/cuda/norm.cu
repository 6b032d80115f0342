// RMSNorm and LayerNorm of whole rows, with the sum of a residual. The threads of a row keep it in registers,
// so that it is read once. How many they are follows from its width alone, so that a row comes to the same
// bits in every batch.
#include <algorithm>
#include <cstdint>

#include "core/norm.h"
#include "cuda/common/element_type.h"
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

struct NormParameters {
  NormProblem problem;
  int32_t chunks;  // of a row
  int32_t warps;   // of a row; if there is one, each warp of a block has a row of its own
  bool aligned;    // everything that is read and written, to 16 bytes
};

namespace {

// The chunks of a row that a thread has: every n-th of them, where the row has n threads.
template <class T>
class NormedRow {
 public:
  __device__ __forceinline__ NormedRow(const NormParameters& p, int64_t row)
      : p_(p),
        offset_(row * p.problem.width),
        first_(static_cast<int32_t>(p.warps == 1 ? thread::lane() : thread::index())),
        step_(p.warps * static_cast<int32_t>(warp::size)) {
#pragma unroll
    for (int32_t i = 0; i < norm_chunks_of_thread; ++i) {
      if (first_ + i * step_ < p.chunks) kept_[i] = read(first_ + i * step_);
    }
    if (p.problem.residual == nullptr) return;
    for (int32_t c = beyond_kept(); c < p.chunks; c += step_) read(c);
  }

  // Calls f(c, chunk) for each chunk. Of rows beyond the registers, some are read again.
  template <class F>
  __device__ __forceinline__ void each_chunk(F f) const {
#pragma unroll
    for (int32_t i = 0; i < norm_chunks_of_thread; ++i) {
      if (first_ + i * step_ < p_.chunks) f(first_ + i * step_, kept_[i]);
    }
    const void* rows = p_.problem.residual == nullptr ? p_.problem.input : p_.problem.sum;
    for (int32_t c = beyond_kept(); c < p_.chunks; c += step_) f(c, load(rows, c));
  }

  // Adds f(x) of the thread's elements.
  template <class Sum, class F>
  __device__ __forceinline__ Sum sum_of(F f) const {
    Sum sum = 0;
    each_chunk([&](int32_t c, const Chunk<T>& chunk) {
#pragma unroll
      for (int32_t e = 0; e < chunk.size; ++e) {
        if (p_.aligned || column_of(c) + e < width()) sum += f(Sum{thread::to_float(chunk[e])});
      }
    });
    return sum;
  }

  // Writes y(x, weight, bias) of each element x. A bias of −0, where there is none, changes no number.
  template <class F>
  __device__ __forceinline__ void write(F y) const {
    each_chunk([&](int32_t c, const Chunk<T>& chunk) {
      const NormProblem& problem = p_.problem;
      Chunk<T> written;
      constexpr int32_t at_once = 4;
#pragma unroll
      for (int32_t first = 0; first < chunk.size; first += at_once) {
        float weights[at_once], biases[at_once];
        each_factor<at_once>(problem.weight, problem.weight_type, column_of(c) + first,
                             [&](int32_t e, float x) { weights[e] = x + problem.offset; });
#pragma unroll
        for (float& bias : biases) bias = -0.0f;
        if (problem.bias != nullptr) {
          each_factor<at_once>(problem.bias, problem.bias_type, column_of(c) + first,
                               [&](int32_t e, float x) { biases[e] = x; });
        }
#pragma unroll
        for (int32_t e = 0; e < at_once; ++e) {
          written[first + e] =
              thread::from_float<T>(y(thread::to_float(chunk[first + e]), weights[e], biases[e]));
        }
      }
      store_chunk(static_cast<T*>(problem.output) + offset_, width(), column_of(c), p_.aligned, written);
    });
  }

 private:
  __device__ __forceinline__ int64_t width() const {
    return p_.problem.width;
  }
  __device__ __forceinline__ int32_t beyond_kept() const {
    return first_ + norm_chunks_of_thread * step_;
  }
  __device__ __forceinline__ static int64_t column_of(int32_t chunk) {
    return int64_t{chunk} * chunk_elements<T>;
  }

  __device__ __forceinline__ Chunk<T> load(const void* rows, int32_t c) const {
    return load_chunk(static_cast<const T*>(rows) + offset_, width(), column_of(c), p_.aligned);
  }

  template <int32_t count, class F>
  __device__ __forceinline__ void each_factor(const void* factors, DType type, int64_t column, F f) const {
    with_element(type, [&](auto element) {
      each_number<count>(static_cast<const decltype(element)*>(factors) + column, width() - column,
                         p_.aligned, f);
    });
  }

  // A chunk of the input; of its sum with the residual, which is written, if there is one.
  __device__ __forceinline__ Chunk<T> read(int32_t c) const {
    const NormProblem& problem = p_.problem;
    Chunk<T> chunk = load(problem.input, c);
    if (problem.residual == nullptr) return chunk;
    const Chunk<T> residual = load(problem.residual, c);
#pragma unroll
    for (int32_t e = 0; e < chunk.size; ++e)
      chunk[e] = thread::from_float<T>(thread::to_float(chunk[e]) + thread::to_float(residual[e]));
    store_chunk(static_cast<T*>(problem.sum) + offset_, width(), column_of(c), p_.aligned, chunk);
    return chunk;
  }

  const NormParameters& p_;
  int64_t offset_;
  int32_t first_, step_;
  Chunk<T> kept_[norm_chunks_of_thread];
};

// A row whose squares are beyond float32: everything in float64.
template <class T>
__device__ __forceinline__ void normalise_in_double(const NormProblem& problem, const NormedRow<T>& row,
                                                    RowReductions& sums) {
  const auto width = static_cast<double>(problem.width);
  double mean = 0;
  if (problem.centered) mean = sums.sum(row.template sum_of<double>([](double x) { return x; })) / width;
  const double squares =
      sums.sum(row.template sum_of<double>([&](double x) { return (x - mean) * (x - mean); }));
  const double factor = 1 / sqrt(squares / width + double{problem.epsilon});
  row.write([&](float x, float weight, float bias) {
    return static_cast<float>((double{x} - mean) * factor * double{weight} + double{bias});
  });
}

}  // namespace

template <class T>
__global__ void __launch_bounds__(most_norm_threads) norm_kernel(const __grid_constant__ NormParameters p) {
  const NormProblem& problem = p.problem;
  const int64_t index = block::index();
  const int64_t row_index = p.warps == 1 ? index * norm_rows_per_block + warp::index() : index;
  if (row_index >= problem.rows) return;
  const NormedRow<T> row(p, row_index);
  RowReductions sums(p.warps, block::shared_memory<unsigned char>());
  const auto width = static_cast<float>(problem.width);
  float mean = 0;
  if (problem.centered) mean = sums.sum(row.template sum_of<float>([](float x) { return x; })) / width;
  const float squares =
      sums.sum(row.template sum_of<float>([&](float x) { return (x - mean) * (x - mean); }));
  const float variance = squares / width + problem.epsilon;
  // NaN, too: a mean may be beyond float32 where the elements are not.
  if (!(variance >= 1e-30f && variance < INFINITY)) return normalise_in_double(problem, row, sums);
  const float factor = 1 / sqrtf(variance);
  row.write([&](float x, float weight, float bias) { return fmaf((x - mean) * factor, weight, bias); });
}

void norm(const NormProblem& problem, Workspace& workspace) {
  if (problem.rows == 0) return;
  const auto elements = static_cast<int64_t>(16 / size_of(problem.type));
  const int64_t chunks = tiles_of(problem.width, elements);
  const auto warps = static_cast<int32_t>(std::min<int64_t>(
      tiles_of(chunks, norm_chunks_of_thread * int64_t{warp::size}), most_norm_threads / 32));
  const bool alone = warps > 1;
  bool aligned = problem.width % elements == 0;
  for (const void* data : {problem.input, problem.residual, static_cast<const void*>(problem.sum),
                           static_cast<const void*>(problem.output), problem.weight, problem.bias})
    aligned = aligned && begins_aligned(data);
  const LaunchShape shape{alone ? problem.rows : tiles_of(problem.rows, norm_rows_per_block),
                          alone ? static_cast<uint32_t>(warps) * 32 : norm_rows_per_block * 32,
                          alone ? RowReductions::shared_bytes : 0};
  with_element_type(problem.type, [&](auto element) {
    launch(&norm_kernel<typename decltype(element)::type>, shape, workspace,
           {problem, static_cast<int32_t>(chunks), warps, aligned});
  });
}

}  // namespace heed::cuda
