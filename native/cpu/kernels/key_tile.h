// Keys and values of one tile as float32 rows: in place if possible, otherwise widened or copied once and
// shared by all groups of the block.
#pragma once

#include "cpu/kernels/multiply.h"
#include "cpu/kernels/stored_rows.h"

namespace heed::cpu::HEED_ISA {

// Rows as factors of a product.
template <class Product>
struct RowsOf {
  const typename Product::Factor* data;
  int64_t stride;
  RowsOf from(int64_t row) const { return {data + row * stride, stride}; }
};
using TileRows = RowsOf<Float32>;

// Rows whose distance is a multiple of a memory page map to the same few cache sets, so those are copied,
// too.
static inline bool shares_sets(const View& view) {
  return view.step_stride * static_cast<int64_t>(size_of(view.type)) % 4096 == 0;
}
static inline bool in_place(const View& view) {
  return view.type == DType::float32 && !shares_sets(view);
}

// Whether tiles of a view may have to be copied.
static inline bool needs_copies(const View& view) {
  return !in_place(view) || view.pages;
}

// Dequantises scaled types: each element times the scale of its row, and times the factor of its channel.
template <class Type>
static inline void widen_run(const Run& run, int64_t stride, int64_t width, KeptFactors& kept, float* copy) {
  const auto widen_alike = [&](const Run& part, int64_t, const float* factors) {
    for (int64_t i = 0; i < part.count; ++i, copy += width) {
      widen<Type>(part.as<Type>() + i * stride, width, copy);
      if (!part.scales) continue;
      for (int64_t d = 0; d < width; ++d) copy[d] *= part.scales[i];
      if (factors) multiply_each(copy, factors, width, copy);
    }
  };
  for_alike_keys(
      run, stride, kept, [](const float*) {}, widen_alike);
}

static inline TileRows tile_rows_of(const View& view, const RowBlock& block, int64_t first_step, int64_t keys,
                                    int64_t width, float* copy) {
  if (in_place(view)) {
    const Run run = run_at(view, block, first_step, keys);
    if (run.count == keys) return {run.as<Float32>(), view.step_stride};
  }
  with_stored_type(view.type, [&](auto type) {
    KeptFactors kept;
    for_runs(view, block, first_step, keys, [&](const Run& run, int64_t first) {
      widen_run<decltype(type)>(run, view.step_stride, width, kept, copy + first * width);
    });
  });
  return {copy, width};
}

static inline bool all_finite(TileRows rows, int64_t count, int64_t width) {
  Vec poison{};  // 0 · x is NaN for ∞ and NaN
  float rest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float* row = rows.data + i * rows.stride;
    int64_t d = 0;
    for (; d + lanes <= width; d += lanes) poison += load(row + d) * 0.0f;
    for (; d < width; ++d) rest += row[d] * 0.0f;
  }
  return horizontal_sum(poison) + rest == 0.0f;
}

}  // namespace heed::cpu::HEED_ISA
