// y = x Wᵀ + b. Weights lie in panels of panel_columns output columns, [inner, panel_columns] each, in their
// own storage type, so that the matrix kernel streams them.
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/multiply.h"
#include "cpu/kernels/panel_type.h"
#include "cpu/kernels/scratch_cursor.h"
#include "cpu/kernels/write_product.h"

namespace heed::cpu::HEED_ISA {

size_t panel_element_size(DType weight_type) {
  return with_panel_type(weight_type, [](auto type) { return sizeof(typename decltype(type)::Element); });
}

// Loads a square of a weight from element k on, `lanes` of its columns as columns of the result. Asks for
// what comes later, since columns are more streams than the processor follows by itself.
template <class From>
static inline __attribute__((always_inline)) void load_square(const typename From::Element* weight,
                                                              int64_t inner, int64_t k, Vec (&tile)[lanes]) {
#pragma GCC unroll 16
  for (int c = 0; c < lanes; ++c) {
    tile[c] = From::load(weight + c * inner + k);
    __builtin_prefetch(weight + c * inner + k + 64);
  }
  transpose(tile);
}

// The same for up to `lanes` columns and up to as many elements; zeros past the last ones.
template <class From>
static inline void load_columns(const typename From::Element* weight, int64_t columns, int64_t inner,
                                int64_t k, Vec (&tile)[lanes]) {
  const int64_t steps = inner - k < lanes ? inner - k : lanes;
  if (steps == lanes && columns >= lanes) return load_square<From>(weight, inner, k, tile);
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
  cursor.take<float>(collected_sums(a, rows, columns));
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

// Panels that a tile of so many rows multiplies at once. A thin tile has too few sums to hide the latency of
// its multiply-adds, so it sums columns of several panels side by side.
constexpr int panels_at_once(int rows) {
  return rows == 1 ? 4 : rows * tile_vectors < 8 ? 2 : 1;
}

// Multiplies rows [first, first + rows) by consecutive panels.
template <class Weight, int rows, int panels, class Write>
static inline void multiply_tile(const ProjectionArguments& a, const float* input, int64_t first,
                                 int64_t panel, Write write) {
  const int64_t size = panel_columns * a.inner;
  const auto* weights = static_cast<const typename Weight::Element*>(a.panels) + panel * size;
  Accumulators<rows, panels * tile_vectors> acc;
  multiply<BroadcastRows, Weight, panels>(input + first * a.inner, a.inner, weights, panel_columns, a.inner,
                                          acc, size);
  // All sums leave their registers before the first is written: what writes them must not be unrolled.
  alignas(64) float values[rows][panels * panel_columns];
#pragma GCC unroll 16
  for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < panels * tile_vectors; ++v) store(values[m] + v * lanes, acc[m][v]);
  }
  for (int m = 0; m < rows; ++m) write(first + m, panel, panels, values[m]);
}

template <int count>
struct PanelCount {
  static constexpr int value = count;
};

// Calls write(row, panel, count, values) with the sums of each row for `count` panels from `panel` on.
template <class Weight, class Write>
static inline void multiply_panels(const ProjectionArguments& a, const float* input, int64_t rows,
                                   PanelRange panels, Write write) {
  int64_t most = 1;
  for_row_tiles(rows, [&](auto tile, int64_t) {
    if (panels_at_once(tile.value) > most) most = panels_at_once(tile.value);
  });
  // All rows are multiplied by some panels before the next ones, which are read only once.
  for (int64_t begin = panels.first; begin < panels.end; begin += most) {
    const int64_t end = begin + most < panels.end ? begin + most : panels.end;
    for_row_tiles(rows, [&](auto tile, int64_t first) {
      int64_t panel = begin;
      const auto take = [&](auto count) {
        for (; panel + count.value <= end; panel += count.value)
          multiply_tile<Weight, tile.value, count.value>(a, input, first, panel, write);
      };
      if constexpr (panels_at_once(tile.value) == 4) take(PanelCount<4>{});
      if constexpr (panels_at_once(tile.value) >= 2) take(PanelCount<2>{});
      take(PanelCount<1>{});
    });
  }
}

void project_panels(const ProjectionArguments& a, int64_t first_row, int64_t rows, Columns columns,
                    void* scratch) {
  ScratchCursor cursor{scratch};
  const float* input = input_rows(a, first_row, rows, cursor.take<float>(rows * a.inner));
  float* sums = cursor.take<float>(collected_sums(a, rows, columns));
  with_panel_type(a.weight_type, [&](auto type) {
    using Weight = decltype(type);
    write_product(a, first_row, rows, columns, sums, [&](PanelRange panels, auto write) {
      multiply_panels<Weight>(a, input, rows, panels, write);
    });
  });
}

// Multiplies some rows by `lanes` · `squares` columns of an unpacked weight, or by the first `columns` of
// them. Turns squares of the weight around in registers, so that sums have the order, and the bits, of sums
// over panels.
template <class Type, int rows, int squares>
static inline __attribute__((flatten)) void multiply_columns(const float* input, int64_t inner,
                                                             const typename Type::Element* weight,
                                                             int64_t columns,
                                                             float (&values)[rows][squares * lanes]) {
  Accumulators<rows, squares> acc = {};
  const auto add = [&](const Vec(&square)[lanes], int64_t k, int64_t steps, int s)
      __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < steps; ++i) {
#pragma GCC unroll 8
      for (int m = 0; m < rows; ++m)
        acc[m][s] = multiply_add(splat(input[m * inner + k + i]), square[i], acc[m][s]);
    }
  };
  int64_t k = 0;
  for (; k + lanes <= inner && columns == squares * lanes; k += lanes) {
#pragma GCC unroll 4
    for (int s = 0; s < squares; ++s) {
      Vec square[lanes];
      load_square<Type>(weight + s * lanes * inner, inner, k, square);
      add(square, k, lanes, s);
    }
  }
  for (; k < inner; k += lanes) {
    for (int s = 0; s < squares; ++s) {
      Vec square[lanes];
      load_columns<Type>(weight + s * lanes * inner, columns - s * lanes, inner, k, square);
      add(square, k, inner - k < lanes ? inner - k : lanes, s);
    }
  }
  for (int m = 0; m < rows; ++m) {
    for (int s = 0; s < squares; ++s) store(values[m] + s * lanes, acc[m][s]);
  }
}

void project_columns(const ProjectionArguments& a, Columns columns, void* scratch) {
  // Enough sums to hide the latency of a chain of multiply-adds.
  constexpr int squares = 4, width = squares * lanes;
  ScratchCursor cursor{scratch};
  const float* input = input_rows(a, 0, a.rows, cursor.take<float>(a.rows * a.inner));
  with_type(a.weight_type, [&](auto type) {
    using Type = decltype(type);
    const auto* weight = static_cast<const typename Type::Element*>(a.panels);
    for (int64_t first = columns.first; first < columns.end; first += width) {
      const int64_t left = columns.end - first, count = left < width ? left : width;
      for_row_tiles(a.rows, [&](auto tile, int64_t row) {
        alignas(64) float values[tile.value][width];
        multiply_columns<Type, tile.value, squares>(input + row * a.inner, a.inner, weight + first * a.inner,
                                                    count, values);
        for (int m = 0; m < tile.value; ++m) write_columns(a, row + m, first, count, values[m]);
      });
    }
  });
}

}  // namespace heed::cpu::HEED_ISA
