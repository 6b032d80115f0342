// Combines the chunks of attention_decode: each is weighted by 2^(its maximum − the maximum of the whole
// row). A block has one row, and its warps divide the chunks. Whatever they add up has a fixed order.
#pragma once

#include <cstdint>

#include "cuda/attention_decode/result.cuh"
#include "cuda/common/entry_at.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

constexpr uint32_t combine_warps = combine_threads / 32;
constexpr int combine_vector = 4;  // columns that a lane has at once

// For each warp its share of a row.
constexpr size_t combine_shared_bytes(int32_t partial_width) {
  return combine_warps * static_cast<size_t>(partial_width) * sizeof(float);
}

namespace detail {

// Reduces over the lanes of a warp; all of them get the result.
template <class F>
__device__ __forceinline__ float reduce_warp(float x, F f) {
#pragma unroll
  for (uint32_t bits = 1; bits < warp::size; bits *= 2) x = f(x, warp::shuffle_xor(x, bits));
  return x;
}

}  // namespace detail

__global__ void __launch_bounds__(combine_threads)
    attention_combine_kernel(const __grid_constant__ DecodeParameters p) {
  using Columns = Vector<float, combine_vector>;
  const DeviceAttention& a = p.attention;
  const int64_t row = block::index();
  const DecodeEntry& entry = entry_at(p.entries, row, [](const DecodeEntry& e) { return e.first_row; });
  const int64_t within = row - entry.first_row, step = within % entry.sequence.query_steps;
  const auto head = static_cast<int32_t>(within / entry.sequence.query_steps);
  const int64_t first_partial = entry.first_partial + within * entry.chunks;
  const Vector<float, 2>* parts = p.partial_sums + first_partial;
  const float* outputs = p.partial_outputs + first_partial * p.partial_width;
  const auto chunks = entry.chunks;
  const auto lane = static_cast<int32_t>(thread::lane()), warp_index = static_cast<int32_t>(warp::index());

  // Every warp finds the maximum and the sum of all chunks, so that none waits for another.
  float highest = negative_infinity;
  for (int32_t c = lane; c < chunks; c += 32) highest = Larger{}(highest, parts[c][0]);
  highest = detail::reduce_warp(highest, Larger{});
  // A row without keys subtracts 0, which avoids −∞ − −∞.
  const float reference = highest == negative_infinity ? 0 : highest;
  float sum = 0;
  for (int32_t c = lane; c < chunks; c += 32) sum += parts[c][1] * thread::exp2(parts[c][0] - reference);
  sum = detail::reduce_warp(sum, Sum{});
  const SoftmaxResult result = result_of(highest, sum, sink_of(a, head));
  if (thread::index() == 0) store_log_sum_exp(a, entry, head, step, result.log_sum_exp);

  auto* shares = block::shared_memory<float>();
  for (int column = lane * combine_vector; column < p.partial_width; column += 32 * combine_vector) {
    Columns share{};
#pragma unroll 4
    for (int32_t c = warp_index; c < chunks; c += combine_warps) {
      const float weight = thread::exp2(parts[c][0] - reference);
      const auto columns =
          thread::load_global<combine_vector>(outputs + int64_t{c} * p.partial_width + column);
#pragma unroll
      for (int e = 0; e < combine_vector; ++e) share[e] += columns[e] * weight;
    }
    thread::store_shared(shares + warp_index * p.partial_width + column, share);
  }
  block::sync();
  const int64_t output = row_offset(a.output, entry, head, step);
  for (int column = static_cast<int>(thread::index()); column < a.value_width;
       column += static_cast<int>(combine_threads)) {
    float value = 0;
#pragma unroll
    for (uint32_t w = 0; w < combine_warps; ++w)
      value += shares[static_cast<int>(w) * p.partial_width + column];
    store_output(a.output, output + column, result.scaled(value));
  }
}

}  // namespace heed::cuda
