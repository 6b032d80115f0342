// The end of attention_decode: writes a row's result, or its share of the result if there are several chunks.
#pragma once

#include <cstdint>

#include "cuda/attention_decode/parameters.cuh"
#include "cuda/common/online_softmax.cuh"
#include "cuda/common/score.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

// Writes one number of the output.
__device__ __forceinline__ void store_output(const MutableView& view, int64_t offset, float value) {
  if (view.type == DType::float32) {
    static_cast<float*>(view.data)[offset] = value;
  } else if (view.type == DType::float16) {
    static_cast<Float16*>(view.data)[offset] = thread::from_float<Float16>(value);
  } else {
    static_cast<BFloat16*>(view.data)[offset] = thread::from_float<BFloat16>(value);
  }
}

// The address at which a query's row of a view begins.
template <class Pointer>
__device__ __forceinline__ int64_t row_offset(const BasicView<Pointer>& view, const DecodeEntry& entry,
                                              int32_t head, int64_t step) {
  return entry.batch * view.batch_stride + head * view.head_stride +
         (entry.sequence.query_start + step) * view.step_stride;
}

__device__ __forceinline__ void store_log_sum_exp(const DeviceAttention& p, const DecodeEntry& entry,
                                                  int32_t head, int64_t step, float log_sum_exp) {
  if (p.log_sum_exp.data == nullptr) return;
  static_cast<float*>(p.log_sum_exp.data)[row_offset(p.log_sum_exp, entry, head, step)] = log_sum_exp;
}

template <class T, class Outputs>
__device__ __forceinline__ void write_decoded(const DecodeParameters& p, const DecodeBlock& block,
                                              const SoftmaxState<2>& state, Outputs& outputs,
                                              int first_column) {
  const DeviceAttention& a = p.attention;
  const bool whole = block.entry.chunks == 1;
#pragma unroll
  for (int i = 0; i < Outputs::rows; ++i) {
    const DecodeQuery query(p, block, Outputs::row(i));
    if (!query.exists) continue;
    const SoftmaxResult result = result_of(state.maximum[i], state.sum[i], sink_of(a, query.head));
    const int64_t partial =
        block.entry.first_partial + query.row_of(block.entry) * block.entry.chunks + block.chunk;
    const bool leads = Outputs::leads_row() && first_column == 0;
    if (leads && whole) store_log_sum_exp(a, block.entry, query.head, query.step, result.log_sum_exp);
    if (leads && !whole)
      thread::store_global(p.partial_sums[partial].values, Vector<float, 2>{state.maximum[i], state.sum[i]});
    const int64_t row = row_offset(a.output, block.entry, query.head, query.step);
#pragma unroll
    for (int j = 0; j < Outputs::elements; j += 2) {
      const int column = first_column + Outputs::column(j);
      if (column >= (whole ? a.value_width : p.partial_width)) continue;
      if (!whole) {
        thread::store_global(p.partial_outputs + partial * p.partial_width + column,
                             Vector<float, 2>{outputs.at(i, j), outputs.at(i, j + 1)});
        continue;
      }
      store_output(a.output, row + column, result.scaled(outputs.at(i, j)));
      if (column + 1 < a.value_width)
        store_output(a.output, row + column + 1, result.scaled(outputs.at(i, j + 1)));
    }
  }
}

}  // namespace heed::cuda
