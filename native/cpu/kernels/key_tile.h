// Keys and values of one tile as float32 rows: in place where memory allows it, else widened or copied once
// and shared by all groups of the block.
#pragma once

#include "cpu/kernels/multiply.h"
#include "cpu/kernels/rows_of_block.h"

namespace heed::cpu::HEED_ISA {

struct TileRows {
  const float* data;
  int64_t stride;
  TileRows from(int64_t row) const { return {data + row * stride, stride}; }
};

// Rows whose distance is a multiple of a page fall into the same few cache sets; those are copied too.
static inline bool in_place(const View& view) {
  return view.type == DType::float32 && (view.step_stride * 4) % 4096 != 0;
}

static inline TileRows tile_rows_of(const View& view, const RowBlock& block, int64_t first_key, int64_t keys,
                                    int64_t width, float* copy) {
  const int64_t offset = offset_of(view, block.batch, block.key_head, block.sequence.key_start + first_key);
  if (in_place(view)) return {static_cast<const float*>(view.data) + offset, view.step_stride};
  with_type(view.type, [&](auto type) {
    using Type = decltype(type);
    const auto* rows = static_cast<const typename Type::Element*>(view.data) + offset;
    for (int64_t key = 0; key < keys; ++key)
      widen<Type>(rows + key * view.step_stride, width, copy + key * width);
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
