// y = x Wᵀ + b. Weights lie in panels of panel_columns output columns, [inner, panel_columns] each, in their
// own storage type, so that the matrix kernel streams them.
#include "cpu/kernels/dot.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/multiply.h"
#include "cpu/kernels/panel_type.h"
#include "cpu/kernels/scratch_cursor.h"
#include "cpu/kernels/write_product.h"

namespace heed::cpu::HEED_ISA {

size_t panel_element_size(DType weight_type) {
  return with_panel_type(weight_type, [](auto type) { return sizeof(typename decltype(type)::Element); });
}

// Loads `lanes` columns of a weight from element k on, as columns of the result; zeros past the last column.
template <class From>
static inline void load_columns(const typename From::Element* weight, int64_t columns, int64_t inner,
                                int64_t k, Vec (&tile)[lanes]) {
  const int64_t steps = inner - k < lanes ? inner - k : lanes;
  for (int c = 0; c < lanes; ++c) {
    tile[c] = Vec{};
    if (c >= columns) continue;
    const typename From::Element* row = weight + c * inner + k;
    if (steps == lanes) {
      tile[c] = From::load(row);
    } else {
      for (int64_t i = 0; i < steps; ++i) tile[c][i] = From::get(row[i]);
    }
  }
  transpose(tile);
}

template <class From, class To>
static inline void pack_panel_as(const typename From::Element* weight, int64_t columns, int64_t inner,
                                 typename To::Element* out) {
  for (int64_t base = 0; base < panel_columns; base += 2 * lanes) {
    for (int64_t k = 0; k < inner; k += lanes) {
      Vec first[lanes], second[lanes];
      load_columns<From>(weight + base * inner, columns - base, inner, k, first);
      load_columns<From>(weight + (base + lanes) * inner, columns - base - lanes, inner, k, second);
      for (int i = 0; i < lanes && k + i < inner; ++i)
        To::store_pair(out + (k + i) * panel_columns + base, first[i], second[i]);
    }
  }
}

void pack_panel(const void* weight, DType type, int64_t columns, int64_t inner, int64_t panel, void* out) {
  with_type(type, [&](auto from) {
    using From = decltype(from);
    with_panel_type(type, [&](auto to) {
      using To = decltype(to);
      const int64_t first = panel * panel_columns;
      pack_panel_as<From, To>(static_cast<const typename From::Element*>(weight) + first * inner,
                              columns - first, inner,
                              static_cast<typename To::Element*>(out) + first * inner);
    });
  });
}

size_t projection_scratch(const ProjectionArguments& a, int64_t rows, Columns columns) {
  ScratchCursor cursor{nullptr};
  cursor.take<float>(rows * a.inner);
  const int64_t collected = collected_sums(a, rows, columns), beside = rows * decode_tile;
  cursor.take<float>(collected > beside ? collected : beside);
  return cursor.used();
}

// Input rows as float32, in place if possible.
static inline const float* input_rows(const ProjectionArguments& a, int64_t first_row, int64_t rows,
                                      float* copy) {
  const int64_t offset = first_row * a.inner;
  if (a.input_type == DType::float32) return static_cast<const float*>(a.input) + offset;
  with_type(a.input_type, [&](auto type) {
    using Type = decltype(type);
    widen<Type>(static_cast<const typename Type::Element*>(a.input) + offset, rows * a.inner, copy);
  });
  return copy;
}

// Calls write(row, values) with the sums of each row.
template <class Weight, class Write>
static inline void project_panel(const ProjectionArguments& a, const float* input, int64_t rows,
                                 int64_t panel, Write write) {
  const auto* weights =
      static_cast<const typename Weight::Element*>(a.panels) + panel * panel_columns * a.inner;
  for_row_tiles(rows, [&](auto tile, int64_t first) {
    Accumulators<tile.value, tile_vectors> acc;
    multiply<BroadcastRows, Weight, Sums::in_any_order>(input + first * a.inner, a.inner, weights,
                                                        panel_columns, a.inner, acc);
#pragma GCC unroll 16
    for (int m = 0; m < tile.value; ++m) {
      alignas(64) float values[panel_columns];
#pragma GCC unroll 8
      for (int v = 0; v < tile_vectors; ++v) store(values + v * lanes, acc[m][v]);
      write(first + m, values);
    }
  });
}

void project_panels(const ProjectionArguments& a, int64_t first_row, int64_t rows, Columns columns,
                    void* scratch) {
  ScratchCursor cursor{scratch};
  const float* input = input_rows(a, first_row, rows, cursor.take<float>(rows * a.inner));
  float* sums = cursor.take<float>(collected_sums(a, rows, columns));
  with_panel_type(a.weight_type, [&](auto type) {
    using Weight = decltype(type);
    write_product(a, first_row, rows, columns, sums,
                  [&](int64_t panel, auto write) { project_panel<Weight>(a, input, rows, panel, write); });
  });
}

void project_columns(const ProjectionArguments& a, Columns columns, void* scratch) {
  ScratchCursor cursor{scratch};
  const float* input = input_rows(a, 0, a.rows, cursor.take<float>(a.rows * a.inner));
  float* sums = cursor.take<float>(a.rows * decode_tile);
  with_type(a.weight_type, [&](auto type) {
    using Type = decltype(type);
    const auto* weight = static_cast<const typename Type::Element*>(a.panels);
    for (int64_t first = columns.first; first < columns.end; first += decode_tile) {
      const int64_t left = columns.end - first, count = left < decode_tile ? left : decode_tile;
      dot_rows<Type>(input, a.rows, a.inner, weight + first * a.inner, a.inner, count, a.inner, sums,
                     decode_tile);
      for (int64_t row = 0; row < a.rows; ++row)
        write_columns(a, row, first, count, sums + row * decode_tile);
    }
  });
}

}  // namespace heed::cpu::HEED_ISA
