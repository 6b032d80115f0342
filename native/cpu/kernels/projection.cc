// y = x Wᵀ + b. Weights lie in panels of panel_columns output columns, [inner, panel_columns] each, in their
// own storage type, so that the matrix kernel streams them (panel_type.h). The epilogue adds the bias and
// writes each head where attention reads it. Heads that are normalised or rotated are first collected,
// because this requires all their elements at once.
#include "cpu/kernels/dot.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/normalise.h"
#include "cpu/kernels/panel_type.h"
#include "cpu/kernels/rotate.h"
#include "cpu/kernels/scratch_cursor.h"
#include "cpu/kernels/table.h"

namespace heed::cpu::HEED_ISA {

size_t panel_size(DType weight_type, int64_t inner) {
  if constexpr (has_pair_products) {
    if (!takes_pairs(weight_type)) return HEED_SHARED::panel_size(weight_type, inner);
  }
  return with_panel_type(weight_type, weight_type, [&](auto type) {
    using Panel = decltype(type);
    return static_cast<size_t>(Panel::depth(inner) * panel_columns) * sizeof(typename Panel::Element);
  });
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
      const int64_t steps = inner - k < lanes ? inner - k : lanes;
      To::store_tile(out + To::depth(k) * panel_columns + base, panel_columns, steps, first, second);
    }
  }
}

void pack_panel(const void* weight, DType type, int64_t columns, int64_t inner, int64_t panel, void* out) {
  if constexpr (has_pair_products) {
    if (!takes_pairs(type)) return HEED_SHARED::pack_panel(weight, type, columns, inner, panel, out);
  }
  with_type(type, [&](auto from) {
    using From = decltype(from);
    with_panel_type(type, type, [&](auto to) {
      using To = decltype(to);
      const int64_t first = panel * panel_columns;
      pack_panel_as<From, To>(static_cast<const typename From::Element*>(weight) + first * inner,
                              columns - first, inner,
                              static_cast<typename To::Element*>(out) + first * To::depth(inner));
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
  cursor.take<float>(rows * (a.inner + 1));
  cursor.take<float>(rows * (whole_heads(a, columns) ? panels_of(columns).columns() : decode_tile));
  return cursor.used();
}

// Input rows as `To`, `width` elements each, padded with zeros; in place if possible. Of two types, float32
// alone takes rows of another one.
template <class To>
static inline const typename To::Element* input_rows(const ProjectionArguments& a, int64_t first_row,
                                                     int64_t rows, int64_t width, void* scratch) {
  using Element = typename To::Element;
  const int64_t offset = first_row * a.inner;
  if (a.input_type == To::type && width == a.inner) return static_cast<const Element*>(a.input) + offset;
  auto* copy = static_cast<Element*>(scratch);
  with_type(a.input_type, [&](auto type) {
    using From = decltype(type);
    const auto* from = static_cast<const typename From::Element*>(a.input) + offset;
    for (int64_t row = 0; row < rows; ++row, from += a.inner, copy += width) {
      if constexpr (To::type == DType::float32) {
        widen<From>(from, a.inner, copy);
      } else if constexpr (From::type == To::type) {
        __builtin_memcpy(copy, from, static_cast<size_t>(a.inner) * sizeof(Element));
      }
      for (int64_t k = a.inner; k < width; ++k) copy[k] = 0;
    }
  });
  return static_cast<const Element*>(scratch);
}

// The rows as what multiplies a panel, Panel::depth(inner) factors each.
template <class Panel>
static inline const typename Panel::Factor* factors_of(const ProjectionArguments& a, int64_t first_row,
                                                       int64_t rows, void* scratch) {
  using Input = typename Panel::Input;
  constexpr int64_t elements = sizeof(typename Panel::Factor) / sizeof(typename Input::Element);
  return reinterpret_cast<const typename Panel::Factor*>(
      input_rows<Input>(a, first_row, rows, Panel::depth(a.inner) * elements, scratch));
}

// Calls write(row, values) with the sums of each row.
template <class Weight, class Write>
static inline void project_panel(const ProjectionArguments& a, const typename Weight::Factor* input,
                                 int64_t rows, int64_t panel, Write write) {
  const int64_t depth = Weight::depth(a.inner);
  const auto* weights =
      static_cast<const typename Weight::Element*>(a.panels) + panel * panel_columns * depth;
  for_row_tiles(rows, [&](auto tile, int64_t first) {
    Accumulators<tile.value, tile_vectors> acc;
    multiply<BroadcastRows, Weight, Sums::in_any_order>(input + first * depth, depth, weights, panel_columns,
                                                        depth, acc);
#pragma GCC unroll 16
    for (int m = 0; m < tile.value; ++m) {
      alignas(64) float values[panel_columns];
#pragma GCC unroll 8
      for (int v = 0; v < tile_vectors; ++v) store(values + v * lanes, acc[m][v]);
      write(first + m, values);
    }
  });
}

// Writes the sums of each panel to their heads as soon as they are computed.
template <class Weight>
static inline void project_directly(const ProjectionArguments& a, const typename Weight::Factor* input,
                                    int64_t first_row, int64_t rows, Columns columns) {
  const PanelRange panels = panels_of(columns);
  for (int64_t panel = panels.first; panel < panels.end; ++panel) {
    const int64_t first = panel * panel_columns;
    const int64_t skipped = first < columns.first ? columns.first - first : 0;
    const int64_t end = columns.end - first < panel_columns ? columns.end - first : panel_columns;
    project_panel<Weight>(a, input, rows, panel, [&](int64_t row, float* values) {
      write_columns(a, first_row + row, first + skipped, end - skipped, values + skipped);
    });
  }
}

// Collects the sums of all panels side by side, then writes them.
template <class Weight>
static inline void project_whole_heads(const ProjectionArguments& a, const typename Weight::Factor* input,
                                       int64_t first_row, int64_t rows, Columns columns, float* sums) {
  const PanelRange panels = panels_of(columns);
  const int64_t pitch = panels.columns(), skipped = columns.first - panels.first * panel_columns;
  for (int64_t panel = panels.first; panel < panels.end; ++panel) {
    float* side = sums + (panel - panels.first) * panel_columns;
    project_panel<Weight>(a, input, rows, panel, [&](int64_t row, const float* values) {
      for (int v = 0; v < tile_vectors; ++v) store(side + row * pitch + v * lanes, load(values + v * lanes));
    });
  }
  for (int64_t row = 0; row < rows; ++row) {
    write_columns(a, first_row + row, columns.first, columns.end - columns.first,
                  sums + row * pitch + skipped);
  }
}

void project_panels(const ProjectionArguments& a, int64_t first_row, int64_t rows, Columns columns,
                    void* scratch) {
  if constexpr (has_pair_products) {
    if (!takes_pairs(a.weight_type)) return HEED_SHARED::project_panels(a, first_row, rows, columns, scratch);
  }
  ScratchCursor cursor{scratch};
  void* copy = cursor.take<float>(rows * (a.inner + 1));
  with_panel_type(a.weight_type, a.input_type, [&](auto type) {
    using Weight = decltype(type);
    const auto* input = factors_of<Weight>(a, first_row, rows, copy);
    if (whole_heads(a, columns)) {
      float* sums = cursor.take<float>(rows * panels_of(columns).columns());
      project_whole_heads<Weight>(a, input, first_row, rows, columns, sums);
    } else {
      project_directly<Weight>(a, input, first_row, rows, columns);
    }
  });
}

void project_columns(const ProjectionArguments& a, Columns columns, void* scratch) {
  if constexpr (has_pair_products) return HEED_SHARED::project_columns(a, columns, scratch);
  ScratchCursor cursor{scratch};
  const float* input = input_rows<Float32>(a, 0, a.rows, a.inner, cursor.take<float>(a.rows * (a.inner + 1)));
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
