// Combines the chunks of attention_decode: each is weighted by 2^(its maximum − the maximum of the whole
// row). One warp per row.
#pragma once

#include <cstdint>

#include "cuda/attention_decode/result.cuh"
#include "cuda/common/entry_at.cuh"

namespace heed::cuda {

constexpr int64_t combine_rows_per_block = combine_threads / 32;

__global__ void __launch_bounds__(combine_threads)
    attention_combine_kernel(const __grid_constant__ DecodeParameters p) {
  const DeviceAttention& a = p.attention;
  const int64_t row = block::index() * combine_rows_per_block + warp::index();
  if (row >= p.rows) return;
  const DecodeEntry entry =
      entry_at(p.entries, p.entry_count, row, [](const DecodeEntry& e) { return e.first_row; });
  if (entry.chunks == 1) return;  // attention_decode has written it
  const int64_t within = row - entry.first_row, step = within % entry.sequence.query_steps;
  const auto head = static_cast<int32_t>(within / entry.sequence.query_steps);
  const Vector<float, 2>* parts = p.partial_sums + entry.first_partial + within * entry.chunks;
  float highest = negative_infinity, sum = 0;
  for (int32_t c = 0; c < entry.chunks; ++c) highest = Larger{}(highest, parts[c][0]);
  // A row without keys subtracts 0, which avoids −∞ − −∞.
  const float reference = highest == negative_infinity ? 0 : highest;
  for (int32_t c = 0; c < entry.chunks; ++c) sum += parts[c][1] * thread::exp2(parts[c][0] - reference);
  const SoftmaxResult result = result_of(highest, sum, sink_of(a, head));
  if (thread::lane() == 0) store_log_sum_exp(a, entry, head, step, result.log_sum_exp);

  const int64_t output = row_offset(a.output, entry, head, step);
  const float* outputs = p.partial_outputs + (entry.first_partial + within * entry.chunks) * p.partial_width;
  for (int column = static_cast<int>(thread::lane()); column < a.value_width; column += 32) {
    float value = 0;
    for (int32_t c = 0; c < entry.chunks; ++c)
      value += outputs[int64_t{c} * p.partial_width + column] * thread::exp2(parts[c][0] - reference);
    store_output(a.output, output + column, result.scaled(value));
  }
}

}  // namespace heed::cuda
