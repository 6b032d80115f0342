// The end of a product with a weight in panels of panel_columns columns: it adds the bias, applies the
// epilogue and writes each head where attention reads it. Heads that are normalised or rotated are first
// collected, because this requires all their elements at once.
#pragma once

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/normalise.h"
#include "cpu/kernels/rotate.h"
#include "cpu/kernels/storage.h"
#include "cpu/kernels/table.h"
#include "cpu/kernels/tiles.h"

namespace heed::cpu::HEED_ISA {

// Adds rows of a residual, which lie as what is written does.
template <class Type>
static inline void add_residual(const typename Type::Element* residual, int64_t count, float* values) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(values + i, load(values + i) + Type::load(residual + i));
  for (; i < count; ++i) values[i] += Type::get(residual[i]);
}

// Adds the bias to columns [first_column, first_column + count) of some rows, whose values are `pitch` apart,
// and writes them to their heads. Divisions are for all rows at once: of 16 columns they would take a tenth
// of the time of the product.
static inline void write_columns(const ProjectionArguments& a, int64_t first_row, int64_t rows,
                                 int64_t first_column, int64_t count, float* values, int64_t pitch) {
  if (a.bias) {
    for (int64_t m = 0; m < rows; ++m) {
      for (int64_t i = 0; i < count; ++i) values[m * pitch + i] += a.bias[first_column + i];
    }
  }
  const int64_t first_batch = first_row / a.steps, first_step = first_row % a.steps;
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
      const int64_t written = run / a.epilogue.columns_per_element();
      for (int64_t m = 0; m < rows; ++m) {
        if (target.norm.weight && head % target.norm.heads == 0)
          normalise(target.norm, head, target.head_width, head_values + m * pitch);
        if (target.rotation.width > 0) rotate(target.rotation, first_row + m, head_values + m * pitch);
        if (a.epilogue.computes()) finish_sums(a.epilogue, head_values + m * pitch, run);
      }
      with_type(target.view.type, [&](auto type) {
        using Type = decltype(type);
        using Element = typename Type::Element;
        auto* to = static_cast<Element*>(target.view.data);
        const auto* residual = static_cast<const Element*>(a.epilogue.residual);
        const int64_t first_element =
            head * target.view.head_stride + within / a.epilogue.columns_per_element();
        int64_t batch = first_batch, step = first_step;
        for (int64_t m = 0; m < rows; ++m) {
          const int64_t at =
              first_element + batch * target.view.batch_stride + step * target.view.step_stride;
          if (residual) add_residual<Type>(residual + at, written, head_values + m * pitch);
          narrow<Type>(head_values + m * pitch, written, 1, to + at);
          if (++step < a.steps) continue;
          step = 0;
          ++batch;
        }
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

// The number of floats that write_product collects sums in.
static inline int64_t collected_sums(const ProjectionArguments& a, int64_t rows, Columns columns) {
  return whole_heads(a, columns) ? rows * panels_of(columns).columns() : 0;
}

// Writes the sums of rows [first_row, first_row + rows) to their heads: those of some panels as soon as they
// are computed, or of all panels side by side in `sums` first. multiply(panels, write) calls
// write(row, rows, panel, count, values) with the sums of `rows` rows from `row` on, counted from 0, for
// `count` panels from `panel` on, [rows, count · panel_columns], until all panels have been written for all
// rows.
template <class Multiply>
static inline void write_product(const ProjectionArguments& a, int64_t first_row, int64_t rows,
                                 Columns columns, float* sums, Multiply multiply) {
  const PanelRange panels = panels_of(columns);
  if (!whole_heads(a, columns)) {
    multiply(panels, [&](int64_t row, int64_t some, int64_t panel, int64_t count, float* values) {
      const int64_t first = panel * panel_columns, last = first + count * panel_columns;
      const int64_t skipped = first < columns.first ? columns.first - first : 0;
      const int64_t end = columns.end < last ? columns.end : last;
      write_columns(a, first_row + row, some, first + skipped, end - first - skipped, values + skipped,
                    count * panel_columns);
    });
    return;
  }
  const int64_t pitch = panels.columns(), skipped = columns.first - panels.first * panel_columns;
  multiply(panels, [&](int64_t row, int64_t some, int64_t panel, int64_t count, const float* values) {
    float* side = sums + row * pitch + (panel - panels.first) * panel_columns;
    for (int64_t m = 0; m < some; ++m, side += pitch, values += count * panel_columns) {
      for (int64_t i = 0; i < count * panel_columns; i += lanes) store(side + i, load(values + i));
    }
  });
  write_columns(a, first_row, rows, columns.first, columns.end - columns.first, sums + skipped, pitch);
}

}  // namespace heed::cpu::HEED_ISA
