// Attention of many query rows. A block has a tile of rows, and each warp its own rows of the tile; for each
// tile of keys that some row may attend, considering ranges and masks
//
//   1. scores    S = Q Kᵀ                        while the values are being copied
//   2. variant   range, and scale, cap, ALiBi, mask if present
//   3. softmax   P = 2^(S − m), online, in registers
//   4. values    O = O + P V                     while the next keys are being copied
//
// docs/cuda.md has a diagram.
#pragma once

#include "cuda/attention_forward/masks.cuh"
#include "cuda/attention_forward/products.cuh"
#include "cuda/attention_forward/result.cuh"
#include "cuda/attention_forward/rows.cuh"
#include "cuda/attention_forward/tiles.cuh"
#include "cuda/attention_forward/variants.cuh"
#include "cuda/common/special_values.cuh"

namespace heed::cuda {

template <class T, class Sizes, template <class, class> class Variant,
          template <class, class, int> class Rows>
__global__ void __launch_bounds__(Sizes::threads, forward_blocks_at_once)
    attention_forward_kernel(const __grid_constant__ ForwardParameters p) {
  using Products = ForwardProducts<T, Sizes>;
  using Scores = typename Products::Scores;
  const ForwardBlock<Sizes> block(p);
  const int warp_row = static_cast<int>(warp::index()) * Sizes::warp_rows;
  const ForwardMemory<T, Sizes> memory;
  const ForwardPipeline<T, Sizes, Rows> pipeline(p, block, memory);
  const Variant<Scores, Sizes> variant(p, block, warp_row);
  SoftmaxState<Scores::rows> softmax;
  typename Products::Outputs outputs;
  clear(outputs);

  int32_t key = variant.next_tile(block.keys.first), next_key = key;
  pipeline.start(key);
#pragma unroll 1
  for (; key < block.keys.last; key = next_key) {
    pipeline.next_keys(key);
    next_key = variant.next_tile(key + Sizes::keys);
    Scores scores;
    clear(scores);
    Products::score(scores, memory.queries(), warp_row, memory.keys(), p.attention.key_width);
    pipeline.scale_products(scores);
    const bool special = pipeline.next_values(key, next_key, variant.excludes(key));
    variant.apply(scores, key);
    soften(softmax, scores, outputs, variant.factor());
    pipeline.scale_weights(scores);
    if (special) {
      const AttendedKeys<T, Scores> attended(variant, scores, key);
      warp::add_special<Sizes::keys>(outputs, memory.values(), 0, block.columns,
                                     [&](int i, int k) { return attended.of(i, k); });
      pipeline.clear_special_values();
    }
    Products::accumulate(outputs, scores, memory.values(), block.columns);
  }
  pipeline.drain();
  // The block's part is computed again: keeping it until here would take registers.
  write_forward<Products>(p, ForwardBlock<Sizes>(p), memory, warp_row, softmax, outputs);
}

}  // namespace heed::cuda
