// Joins the chunks of attention_decode: each share counts by 2^(its log-sum-exp − the whole row's). A warp a
// row.
#pragma once

#include <cstdint>

#include "cuda/kernels/decode_result.cuh"

namespace heed::cuda {

constexpr uint32_t combine_threads = 128;
constexpr int64_t combine_rows_per_block = combine_threads / 32;

__global__ void __launch_bounds__(combine_threads)
    attention_combine_kernel(const __grid_constant__ DecodeParameters p) {
  const AttentionParameters& a = p.attention;
  const int64_t row = block::index() * combine_rows_per_block + warp::index();
  if (row >= p.rows) return;
  const DecodeEntry entry = p.entries[entry_at(p, row, [](const DecodeEntry& e) { return e.first_row; })];
  if (entry.chunks == 1) return;  // attention_decode has written it
  const int64_t within = row - entry.first_row, step = within % entry.sequence.query_steps;
  const auto head = static_cast<int32_t>(within / entry.sequence.query_steps);
  const int64_t first = entry.first_partial + within * entry.chunks;

  float highest = negative_infinity;
  for (int32_t c = 0; c < entry.chunks; ++c) highest = Larger{}(highest, p.partial_sums[first + c]);
  float sum = 0;
  const float reference = highest == negative_infinity ? 0 : highest;
  for (int32_t c = 0; c < entry.chunks; ++c) sum += thread::exp2(p.partial_sums[first + c] - reference);
  const float joined = sum == 0 ? negative_infinity : reference + thread::log2(sum);
  const RowTotal total = RowTotal::with_sink(joined, sink_of(a, head));
  if (thread::lane() == 0) store_log_sum_exp(a, entry, head, step, total.log_sum_exp);

  const int64_t output = row_offset(a.output, entry, head, step);
  for (int column = static_cast<int>(thread::lane()); column < a.value_width; column += 32) {
    float value = 0;
    for (int32_t c = 0; c < entry.chunks; ++c) {
      const float share = total.share(p.partial_sums[first + c]);
      if (share != 0) value += share * p.partial_outputs[(first + c) * p.partial_width + column];
    }
    store_output(a.output, output + column, value);
  }
}

}  // namespace heed::cuda
