// The end of attention_forward: outputs and log-sum-exps of the rows of a warp.
#pragma once

#include <cstdint>

#include "cuda/attention_forward/tiles.cuh"
#include "cuda/common/online_softmax.cuh"
#include "cuda/common/operand_tile.cuh"

namespace heed::cuda {

// Outputs are written through the tile of queries, whose rows only this warp has read, so that whole rows are
// written.
template <class Products, class T, class Sizes>
__device__ __forceinline__ void write_forward(const ForwardParameters& p, const ForwardBlock<Sizes>& block,
                                              const ForwardMemory<T, Sizes>& memory, int warp_row,
                                              const SoftmaxState<Products::Outputs::rows>& softmax,
                                              typename Products::Outputs& outputs) {
  using Outputs = typename Products::Outputs;
  using Tile = typename Products::Queries;
  const DeviceAttention& a = p.attention;
  const float sink = sink_of(a, block.head);
  warp::sync();
#pragma unroll
  for (int i = 0; i < Outputs::rows; ++i) {
    const SoftmaxResult result = result_of(softmax.maximum[i], Outputs::reduce(softmax.sum[i], Sum{}), sink);
    Products::store(memory.queries(), warp_row, outputs, i, result);
    const int row = warp_row + Outputs::row(i);
    if (a.log_sum_exp.data != nullptr && Outputs::leads_row() && row < block.rows && block.first_column == 0)
      static_cast<float*>(
          a.log_sum_exp.data)[block.query_offset(a.log_sum_exp) + row * a.log_sum_exp.step_stride] =
          result.log_sum_exp;
  }
  warp::sync();
  T* to = static_cast<T*>(a.output.data) + block.query_offset(a.output) + block.first_column;
  // Eight lanes write a span of eight chunks, which lie in different banks; lanes past the width do nothing.
  const int spans = (block.columns + 8 * Tile::per_chunk - 1) / (8 * Tile::per_chunk);
  for (int s = static_cast<int>(thread::lane()) / 8; s < Sizes::warp_rows * spans; s += 4) {
    const int row = warp_row + s / spans, at = s % spans * 8 + static_cast<int>(thread::lane()) % 8;
    const int column = at * Tile::per_chunk;
    if (row >= block.rows) break;
    const auto elements = thread::load_shared<Tile::per_chunk>(memory.queries().chunk(row, at));
    if (column >= block.columns) continue;
    T* chunk = to + row * a.output.step_stride + column;
    if (p.output_aligned && column + Tile::per_chunk <= block.columns) {
      thread::store_global(chunk, elements);
      continue;
    }
#pragma unroll
    for (int e = 0; e < Tile::per_chunk; ++e) {
      if (column + e < block.columns) chunk[e] = elements[e];
    }
  }
}

}  // namespace heed::cuda
