// y = x Wᵀ + b. Weights lie in panels of panel_columns output columns, [inner, panel_columns] each, in their
// own storage type, so that the matrix kernel streams them. The epilogue adds the bias and writes each head
// where attention reads it. Heads that are normalised or rotated are first collected, because this requires
// all their elements at once.
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/multiply.h"
#include "cpu/kernels/normalise.h"
#include "cpu/kernels/panel_type.h"
#include "cpu/kernels/rotate.h"
#include "cpu/kernels/scratch_cursor.h"
#include "cpu/kernels/table.h"

namespace heed::cpu::HEED_ISA {

size_t panel_element_size(DType weight_type) {
  return with_panel_type(weight_type, [](auto type) { return sizeof(typename decltype(type)::Element); });
}

// Loads `lanes` columns of a weight from element k on, as columns of the result; zeros past the last column.
template <class From>
static inline void load_columns(const typename From::Element* weight, int64_t columns, int64_t inner,
                                int64_t k, Vec (&tile)[lanes]) {
  const int64_t steps = inner - k < lanes ? inner - k : lanes;
  if (steps == lanes && columns >= lanes) {
#pragma GCC unroll 16
    for (int c = 0; c < lanes; ++c) tile[c] = From::load(weight + c * inner + k);
    return transpose(tile);
  }
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

// Adds the bias to columns [first_column, first_column + count) of one row and writes them to their heads.
static inline void write_columns(const ProjectionArguments& a, int64_t row, int64_t first_column,
                                 int64_t count, float* values) {
  if (a.bias) {
    for (int64_t i = 0; i < count; ++i) values[i] += a.bias[first_column + i];
  }
  const int64_t batch = row / a.steps, step = row % a.steps;
  for (int64_t t = 0; t < a.target_count; ++t) {
    const ProjectionTarget& target = a.targets[t];
    const int64_t end = target.first_column + target.columns;
    int64_t column = first_column > target.first_column ? first_column : target.first_column;
    const int64_t last = first_column + count < end ? first_column + count : end;
    while (column < last) {
      const int64_t head = (column - target.first_column) / target.head_width;
      const int64_t within = (column - target.first_column) % target.head_width;
      const int64_t run =
          last - column < target.head_width - within ? last - column : target.head_width - within;
      float* head_values = values + (column - first_column);
      if (target.norm.weight && head % target.norm.heads == 0)
        normalise(target.norm, head, target.head_width, head_values);
      if (target.rotation.width > 0) rotate(target.rotation, row, head_values);
      with_type(target.view.type, [&](auto type) {
        using Type = decltype(type);
        auto* to = static_cast<typename Type::Element*>(target.view.data) + batch * target.view.batch_stride +
                   head * target.view.head_stride + step * target.view.step_stride + within;
        narrow<Type>(head_values, run, 1, to);
      });
      column += run;
    }
  }
}

// Whether one of the columns belongs to a head that must be complete before it is written.
static inline bool whole_heads(const ProjectionArguments& a, Columns columns) {
  for (int64_t t = 0; t < a.target_count; ++t) {
    const ProjectionTarget& target = a.targets[t];
    if (target.whole_heads() && target.first_column < columns.end &&
        columns.first < target.first_column + target.columns) {
      return true;
    }
  }
  return false;
}

// The panels that contain the columns.
struct PanelRange {
  int64_t first, end;
  int64_t columns() const { return (end - first) * panel_columns; }
};
static inline PanelRange panels_of(Columns columns) {
  return {columns.first / panel_columns, (columns.end + panel_columns - 1) / panel_columns};
}

size_t projection_scratch(const ProjectionArguments& a, int64_t rows, Columns columns) {
  ScratchCursor cursor{nullptr};
  cursor.take<float>(rows * a.inner);
  cursor.take<float>(whole_heads(a, columns) ? rows * panels_of(columns).columns() : 0);
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
constexpr int most_panels_at_once = 4;
template <int rows>
constexpr int panels_at_once = rows == 1                ? most_panels_at_once
                               : rows* tile_vectors < 8 ? 2
                                                        : 1;

// Multiplies a tile of rows by consecutive panels: values[m] are the sums of row m.
template <class Weight, int rows, int panels>
static inline void multiply_panels(const float* input, int64_t inner, const typename Weight::Element* weights,
                                   float (&values)[rows][panels * panel_columns]) {
  Accumulators<rows, panels * tile_vectors> acc;
  multiply<BroadcastRows>(input, inner, inner, acc, [&](int64_t k, Vec(&column)[panels * tile_vectors]) {
#pragma GCC unroll 4
    for (int i = 0; i < panels; ++i) {
      Vec part[tile_vectors];
      Weight::template load_row<tile_vectors>(weights + (i * inner + k) * panel_columns, part);
#pragma GCC unroll 4
      for (int v = 0; v < tile_vectors; ++v) column[i * tile_vectors + v] = part[v];
    }
  });
#pragma GCC unroll 16
  for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < panels * tile_vectors; ++v) store(values[m] + v * lanes, acc[m][v]);
  }
}

template <int count>
struct Panels {
  static constexpr int value = count;
};

// Calls write(row, first column, count, values) with sums of the rows, for columns of one or several panels.
template <class Weight, class Write>
static inline void multiply_by_panels(const ProjectionArguments& a, const float* input, int64_t rows,
                                      PanelRange panels, Write write) {
  const auto* weights = static_cast<const typename Weight::Element*>(a.panels);
  int64_t most = 1;
  for_row_tiles(rows, [&](auto tile, int64_t) {
    if (panels_at_once < tile.value >> most) most = panels_at_once<tile.value>;
  });
  // All rows are multiplied by some panels before the next ones, which are read only once.
  for (int64_t begin = panels.first; begin < panels.end; begin += most) {
    const int64_t end = begin + most < panels.end ? begin + most : panels.end;
    for_row_tiles(rows, [&](auto tile, int64_t first) {
      constexpr int tile_rows = tile.value;
      const auto take = [&](auto count, int64_t panel) {
        alignas(64) float values[tile_rows][count.value * panel_columns];
        multiply_panels<Weight, tile_rows, count.value>(input + first * a.inner, a.inner,
                                                        weights + panel * panel_columns * a.inner, values);
        for (int m = 0; m < tile_rows; ++m)
          write(first + m, panel * panel_columns, count.value * panel_columns, values[m]);
      };
      int64_t panel = begin;
      if constexpr (panels_at_once<tile_rows> == 4) {
        for (; panel + 4 <= end; panel += 4) take(Panels<4>{}, panel);
      }
      if constexpr (panels_at_once<tile_rows> >= 2) {
        for (; panel + 2 <= end; panel += 2) take(Panels<2>{}, panel);
      }
      for (; panel < end; ++panel) take(Panels<1>{}, panel);
    });
  }
}

// Writes sums to their heads as soon as they are computed.
template <class Weight>
static inline void project_directly(const ProjectionArguments& a, const float* input, int64_t first_row,
                                    int64_t rows, Columns columns) {
  multiply_by_panels<Weight>(
      a, input, rows, panels_of(columns), [&](int64_t row, int64_t first, int64_t count, float* values) {
        const int64_t skipped = first < columns.first ? columns.first - first : 0;
        const int64_t left = columns.end - first, end = left < count ? left : count;
        write_columns(a, first_row + row, first + skipped, end - skipped, values + skipped);
      });
}

// Collects the sums of all panels side by side, then writes them.
template <class Weight>
static inline void project_whole_heads(const ProjectionArguments& a, const float* input, int64_t first_row,
                                       int64_t rows, Columns columns, float* sums) {
  const PanelRange panels = panels_of(columns);
  const int64_t pitch = panels.columns(), begin = panels.first * panel_columns;
  multiply_by_panels<Weight>(a, input, rows, panels,
                             [&](int64_t row, int64_t first, int64_t count, const float* values) {
                               float* side = sums + row * pitch + (first - begin);
                               for (int64_t i = 0; i < count; i += lanes) store(side + i, load(values + i));
                             });
  for (int64_t row = 0; row < rows; ++row) {
    write_columns(a, first_row + row, columns.first, columns.end - columns.first,
                  sums + row * pitch + (columns.first - begin));
  }
}

void project_panels(const ProjectionArguments& a, int64_t first_row, int64_t rows, Columns columns,
                    void* scratch) {
  ScratchCursor cursor{scratch};
  const float* input = input_rows(a, first_row, rows, cursor.take<float>(rows * a.inner));
  with_panel_type(a.weight_type, [&](auto type) {
    using Weight = decltype(type);
    if (whole_heads(a, columns)) {
      float* sums = cursor.take<float>(rows * panels_of(columns).columns());
      project_whole_heads<Weight>(a, input, first_row, rows, columns, sums);
    } else {
      project_directly<Weight>(a, input, first_row, rows, columns);
    }
  });
}

// Multiplies some rows by `columns`, at most panel_columns, of an unpacked weight. Turns squares of the
// weight around in registers, so that sums have the order, and the bits, of sums over panels.
template <class Type, int rows>
static inline void multiply_columns(const float* input, int64_t inner, const typename Type::Element* weight,
                                    int64_t columns, float (&values)[rows][panel_columns]) {
  Accumulators<rows, tile_vectors> acc = {};
  const auto add_squares = [&](int64_t k, int64_t steps) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v = 0; v < tile_vectors; ++v) {
      Vec square[lanes];
      load_columns<Type>(weight + v * lanes * inner, columns - v * lanes, inner, k, square);
#pragma GCC unroll 16
      for (int i = 0; i < steps; ++i) {
#pragma GCC unroll 8
        for (int m = 0; m < rows; ++m)
          acc[m][v] = multiply_add(splat(input[m * inner + k + i]), square[i], acc[m][v]);
      }
    }
  };
  int64_t k = 0;
  for (; k + lanes <= inner; k += lanes) add_squares(k, lanes);
  if (k < inner) add_squares(k, inner - k);
  for (int m = 0; m < rows; ++m) {
    for (int v = 0; v < tile_vectors; ++v) store(values[m] + v * lanes, acc[m][v]);
  }
}

void project_columns(const ProjectionArguments& a, Columns columns, void* scratch) {
  ScratchCursor cursor{scratch};
  const float* input = input_rows(a, 0, a.rows, cursor.take<float>(a.rows * a.inner));
  with_type(a.weight_type, [&](auto type) {
    using Type = decltype(type);
    const auto* weight = static_cast<const typename Type::Element*>(a.panels);
    for (int64_t first = columns.first; first < columns.end; first += panel_columns) {
      const int64_t left = columns.end - first, count = left < panel_columns ? left : panel_columns;
      for_row_tiles(a.rows, [&](auto tile, int64_t row) {
        alignas(64) float values[tile.value][panel_columns];
        multiply_columns<Type, tile.value>(input + row * a.inner, a.inner, weight + first * a.inner, count,
                                           values);
        for (int m = 0; m < tile.value; ++m) write_columns(a, row + m, first, count, values[m]);
      });
    }
  });
}

}  // namespace heed::cpu::HEED_ISA
