// The kernels of one instruction set for products with weights of int8 and int4, in a table of their own:
// there are more kinds of integer instructions than widths of vectors. Like table.h, without inline code of
// the standard library.
#pragma once

#include "core/quantised_weight.h"
#include "cpu/kernels/table.h"

namespace heed::cpu {

// A packed weight of integers, in panels of panel_columns columns.
struct IntegerPanels {
  QuantisedWeight::Type type;
  int64_t inner;
  // Elements along the inner axis whose products are summed as integers before they are scaled.
  int64_t group_size;
  const void* data;
  // One per column, and zeros up to a whole panel: what its scales in the panels are multiplied by.
  const float* factors;
};

struct IntegerTable {
  int64_t panel_columns;
  size_t (*panel_size)(const IntegerPanels& panels);  // in bytes
  // Writes one panel to its place in `data`.
  void (*pack_panel)(const QuantisedWeight& weight, const IntegerPanels& panels, int64_t panel, void* data);

  // Rows [first_row, first_row + rows) of the input as integers, in a block of this size (bytes).
  size_t (*quantised_size)(const IntegerPanels& panels, int64_t rows);
  void (*quantise_rows)(const ProjectionArguments& arguments, const IntegerPanels& panels, int64_t first_row,
                        int64_t rows, void* block);

  // Multiplies such a block, all of it, by the columns, which may begin and end within a panel but not within
  // a head that must be complete.
  size_t (*scratch)(const ProjectionArguments& arguments, int64_t rows, Columns columns);
  void (*project)(const ProjectionArguments& arguments, const IntegerPanels& panels, const void* block,
                  int64_t first_row, int64_t rows, Columns columns, void* scratch);
};

namespace baseline {
extern const IntegerTable integer_table;
}
namespace avx2 {
extern const IntegerTable integer_table;
}
namespace avxvnni {
extern const IntegerTable integer_table;
}
namespace avx512 {
extern const IntegerTable integer_table;
}
namespace avx512vnni {
extern const IntegerTable integer_table;
}
namespace dotprod {
extern const IntegerTable integer_table;
}

}  // namespace heed::cpu
