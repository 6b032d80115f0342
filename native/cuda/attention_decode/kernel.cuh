// Attention of few query rows to a long cache, limited by the speed of reading keys and values. The query
// heads of one key head are the 16 rows of a tile; a block processes a chunk of the keys, and for each tile
// of them
//
//   1. scores    S = Q Kᵀ                      each warp for its own keys
//   2. variant   scale, cap, ALiBi, mask, range
//   3. softmax   P = 2^(S − m), online         warps exchange their maxima, then their weights
//   4. values    O = O + P V                   each warp for its own columns
//
// attention_combine combines the chunks. docs/cuda.md has a diagram.
#pragma once

#include <type_traits>

#include "cuda/attention_decode/converted_rows.cuh"
#include "cuda/attention_decode/products.cuh"
#include "cuda/attention_decode/result.cuh"
#include "cuda/attention_decode/rows.cuh"
#include "cuda/attention_decode/tiles.cuh"
#include "cuda/attention_decode/variants.cuh"
#include "cuda/common/special_values.cuh"

namespace heed::cuda {

namespace detail {

// The online softmax of rows whose scores are distributed over the warps.
template <class T, class Sizes, class Products>
class DecodeSoftmax {
 public:
  using Scores = typename Products::Scores;
  using Outputs = typename Products::Outputs;

  __device__ __forceinline__ explicit DecodeSoftmax(const DecodeMemory<T, Sizes>& memory) : memory_(memory) {}

  // Writes the weights of the warp's keys, from `first_key` of the tile on, to where every warp reads them,
  // and scales older outputs to match. Warps without keys have no scores. `factors(key)` gives what the
  // weights of two neighbouring keys are multiplied by as factors of values.
  template <class Factors>
  __device__ __forceinline__ void weigh(Scores& scores, Outputs& outputs, int first_key, Factors factors) {
    const bool has_keys = first_key < Sizes::keys;
    float highest[rows];
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      highest[i] = negative_infinity;
#pragma unroll
      for (int j = 0; has_keys && j < Scores::elements; ++j)
        highest[i] = Larger{}(highest[i], scores.at(i, j));
      highest[i] = Scores::reduce(highest[i], Larger{});
    }
    tell(highest);
    block::sync();
    bool moved = false;
    float decay[rows];
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      const float maximum = Larger{}(state_.maximum[i], gather(i, negative_infinity, Larger{}));
      moved |= maximum != state_.maximum[i];
      decay[i] = thread::exp2(state_.maximum[i] - reference_of(maximum));
      state_.maximum[i] = maximum;
    }
    // Where no maximum moved, all factors are 1, or rows have no keys so far.
    if (warp::any(moved)) {
#pragma unroll
      for (int i = 0; i < rows; ++i) {
        state_.sum[i] *= decay[i];
#pragma unroll
        for (int j = 0; j < Outputs::elements; ++j) outputs.at(i, j) *= decay[i];
      }
    }
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      if (!has_keys) continue;
      const float reference = reference_of(state_.maximum[i]);
      T* weights = memory_.weights() + Scores::row(i) * Sizes::weight_stride + first_key;
#pragma unroll
      for (int j = 0; j < Scores::elements; j += 2) {
        const float first = thread::exp2(scores.at(i, j) - reference);
        const float second = thread::exp2(scores.at(i, j + 1) - reference);
        state_.sum[i] += first + second;
        const Vector<float, 2> of = factors(first_key + Scores::column(j));
        Products::store(weights + Scores::column(j), first * of[0], second * of[1]);
      }
    }
    block::sync();
  }

  // Whether a key of the tile has a weight in the lane's i-th row.
  __device__ __forceinline__ bool weighs(int i, int key) const {
    return cuda::weighs(memory_.weights()[Scores::row(i) * Sizes::weight_stride + key]);
  }

  // Adds all sums, in the order of the warps. Called once.
  __device__ __forceinline__ SoftmaxState<2> finish() {
    SoftmaxState<2> whole = state_;
#pragma unroll
    for (int i = 0; i < rows; ++i) whole.sum[i] = Scores::reduce(whole.sum[i], Sum{});
    block::sync();
    tell(whole.sum);
    block::sync();
#pragma unroll
    for (int i = 0; i < rows; ++i) whole.sum[i] = gather(i, 0, Sum{});
    return whole;
  }

 private:
  static constexpr int rows = Scores::rows;

  // A row without keys so far subtracts 0, which avoids −∞ − −∞.
  __device__ __forceinline__ static float reference_of(float maximum) {
    return maximum == negative_infinity ? 0 : maximum;
  }

  __device__ __forceinline__ void tell(const float (&numbers)[rows]) const {
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      if (Scores::leads_row()) memory_.statistics(warp::index())[Scores::row(i)] = numbers[i];
    }
  }
  template <class F>
  __device__ __forceinline__ float gather(int i, float start, F f) const {
#pragma unroll
    for (uint32_t w = 0; w < Sizes::warps; ++w) start = f(start, memory_.statistics(w)[Scores::row(i)]);
    return start;
  }

  DecodeMemory<T, Sizes> memory_;
  SoftmaxState<2> state_;
};

// Queries have the type that products take. Only float32 takes others as well, each of which it holds.
template <class T>
__device__ __forceinline__ void copy_query_chunk(T* to, const View& query, int64_t from, uint32_t valid,
                                                 bool aligned) {
  thread::copy_chunk(to, static_cast<const T*>(query.data) + from, valid, aligned);
}
template <class T>
__device__ __forceinline__ void widen_query_chunk(float* to, const View& query, int64_t from,
                                                  uint32_t valid) {
  const auto loaded = thread::load_some<4>(static_cast<const T*>(query.data) + from, valid);
  Vector<float, 4> widened;
#pragma unroll
  for (int i = 0; i < 4; ++i) widened[i] = thread::to_float(loaded[i]);
  thread::store_shared(to, widened);
}
__device__ __forceinline__ void copy_query_chunk(float* to, const View& query, int64_t from, uint32_t valid,
                                                 bool aligned) {
  switch (query.type) {
    case DType::float16:
      return widen_query_chunk<Float16>(to, query, from, valid);
    case DType::bfloat16:
      return widen_query_chunk<BFloat16>(to, query, from, valid);
    default:
      return copy_query_chunk<float>(to, query, from, valid, aligned);
  }
}

// Loads the queries of the block's rows; other rows are zeros, and so are columns past the width as far as
// products read: to a multiple of 32.
template <class T, class Sizes>
__device__ __forceinline__ void copy_queries(const DecodeParameters& p, const DecodeBlock& block,
                                             const DecodeMemory<T, Sizes>& memory) {
  using Tile = typename DecodeMemory<T, Sizes>::Tile;
  const DeviceAttention& a = p.attention;
  const int used = (a.key_width + 31) / 32 * 32;
#pragma unroll 1
  for (int i = static_cast<int>(thread::index()); i < decode_rows * Tile::chunks; i += Sizes::threads) {
    const int row = i / Tile::chunks, chunk = i % Tile::chunks, column = chunk * Tile::per_chunk;
    if (column >= used) continue;
    const DecodeQuery query(p, block, row);
    const int left = query.exists ? a.key_width - column : 0;
    const uint32_t valid = left <= 0 ? 0 : left < Tile::per_chunk ? left : Tile::per_chunk;
    const int64_t from =
        valid == 0 ? 0
                   : block.entry.batch * a.query.batch_stride + query.head * a.query.head_stride +
                         (block.entry.sequence.query_start + query.step) * a.query.step_stride + column;
    copy_query_chunk(memory.queries().chunk(row, chunk), a.query, from, valid, p.aligned);
  }
}

}  // namespace detail

template <class T, class Sizes, class Rows>
using DecodePipelineOf = std::conditional_t<Rows::are_converted, ConvertingPipeline<T, Sizes, Rows>,
                                            DecodePipeline<T, Sizes, Rows>>;

template <class T, int width, template <class, class> class Rows>
__global__ void __launch_bounds__(DecodeTiles<T, width>::threads, DecodeTiles<T, width>::most_blocks_at_once)
    attention_decode_kernel(const __grid_constant__ DecodeParameters p) {
  using Sizes = DecodeTiles<T, width>;
  using Products = DecodeProducts<T, Sizes>;
  using KeyRows = Rows<T, Sizes>;
  const int key_width = KeyRows::key_width(p.attention), value_width = KeyRows::value_width(p.attention);
  const DecodeBlock block(p);
  const int warp_key = static_cast<int>(warp::index()) * Sizes::warp_keys;
  const int warp_column = static_cast<int>(warp::index()) * Sizes::warp_columns;
  const DecodeMemory<T, Sizes> memory;
  using Pipeline = DecodePipelineOf<T, Sizes, KeyRows>;
  Pipeline pipeline(p, block, memory);
  using Mask = DecodeMask<Sizes::keys, Sizes::threads>;
  const Mask mask(p, block, memory.end() + Pipeline::shared_bytes);
  const DecodeScores<typename Products::Scores, Mask, typename KeyRows::Factors> variant(p, block, mask);
  detail::DecodeSoftmax<T, Sizes, Products> softmax(memory);
  typename Products::Outputs outputs;
  clear(outputs);

  detail::copy_queries(p, block, memory);
  mask.start(0, block.first_key);
  pipeline.start(0, block.first_key);
  int32_t first_key = block.first_key;
  for (int tile = 0; first_key < block.last_key; ++tile, first_key += Sizes::keys) {
    pipeline.next();
    mask.start(tile + 1, first_key + Sizes::keys);
    pipeline.start(tile + 1, first_key + Sizes::keys);
    pipeline.convert(p, tile, first_key);
    const auto keys = pipeline.keys(tile), values = pipeline.values(tile);

    typename Products::Scores scores;
    clear(scores);
    if (warp_key < Sizes::keys) {
      Products::score(scores, memory.queries(), keys, warp_key, key_width);
      pipeline.scale(scores, tile, warp_key);
      variant.apply(scores, tile, first_key, warp_key);
    }
    softmax.weigh(scores, outputs, warp_key,
                  [&pipeline, tile](int key) { return pipeline.weight_factors(tile, key); });
    if (variant.excludes(first_key, Sizes::keys)) {
      const auto attendance = [&](int i, int key) {
        return Attendance{variant.attends(i, tile, first_key, key), softmax.weighs(i, key)};
      };
      warp::move_special<Sizes::keys>(outputs, values, warp_column, value_width, attendance);
    }
    Products::accumulate(outputs, memory.weights(), values, warp_column, value_width);
  }
  thread::wait_for_copies<0>();
  write_decoded<T>(p, block, softmax.finish(), outputs, warp_column);
}

}  // namespace heed::cuda
