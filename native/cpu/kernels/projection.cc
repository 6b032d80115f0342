// y = x Wᵀ + b. Weights lie in panels of panel_columns output columns, [inner, panel_columns] each, in their
// own storage type, so that the matrix kernel streams them.
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/multiply.h"
#include "cpu/kernels/panel_type.h"
#include "cpu/kernels/scratch_cursor.h"
#include "cpu/kernels/write_product.h"

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
  if (steps == lanes && columns >= lanes) {
#pragma GCC unroll 16
    for (int c = 0; c < lanes; ++c) {
      tile[c] = From::load(weight + c * inner + k);
      // Columns are more streams than the processor follows by itself.
      __builtin_prefetch(weight + c * inner + k + 64);
    }
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

// What multiplies an unpacked weight, and the squares of it: `lanes` columns, and as many steps of the depth
// from k on.
template <class Type>
struct UnpackedElements : FloatProducts<Type> {
  using Stored = typename Type::Element;
  using Input = Float32;
  static int64_t depth(int64_t inner) { return inner; }
  static void load_square(const Stored* weight, int64_t columns, int64_t inner, int64_t k,
                          Vec (&square)[lanes]) {
    load_columns<Type>(weight, columns, inner, k, square);
  }
};
struct UnpackedPairs : Pairs {
  using Stored = uint16_t;
  using Input = BFloat16;
  static int64_t depth(int64_t inner) { return (inner + 1) / 2; }
  static void load_square(const uint16_t* weight, int64_t columns, int64_t inner, int64_t k,
                          UintVec (&square)[lanes]) {
    const int64_t left = inner - 2 * k, elements = left < 2 * lanes ? left : 2 * lanes;
    Vec tile[lanes] = {};
    for (int64_t c = 0; c < lanes && c < columns; ++c) {
      const uint16_t* from = weight + c * inner + 2 * k;
      elements == 2 * lanes ? __builtin_memcpy(&tile[c], from, sizeof tile[c])
                            : __builtin_memcpy(&tile[c], from, static_cast<size_t>(elements) * sizeof *from);
    }
    transpose(tile);
    for (int i = 0; i < lanes; ++i) square[i] = as_uint(tile[i]);
  }
};

template <class F>
static inline auto with_unpacked_type(DType weight_type, F f) {
  if constexpr (has_pair_products) {
    return f(UnpackedPairs{});
  } else {
    return with_type(weight_type, [&](auto type) { return f(UnpackedElements<decltype(type)>{}); });
  }
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

size_t projection_scratch(const ProjectionArguments& a, int64_t rows, Columns columns) {
  ScratchCursor cursor{nullptr};
  cursor.take<float>(rows * (a.inner + 1));
  cursor.take<float>(collected_sums(a, rows, columns));
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
  // One type in some instantiations. NOLINTNEXTLINE(bugprone-sizeof-expression)
  constexpr int64_t elements = sizeof(typename Panel::Factor) / sizeof(typename Input::Element);
  return reinterpret_cast<const typename Panel::Factor*>(
      input_rows<Input>(a, first_row, rows, Panel::depth(a.inner) * elements, scratch));
}

// Panels that a tile of so many rows multiplies at once. A thin tile has too few sums to hide the latency of
// its multiply-adds, so it sums columns of several panels side by side.
constexpr int panels_at_once(int rows) {
  return rows == 1 ? 4 : rows * tile_vectors < 8 ? 2 : 1;
}

// Where the tiles of rows pass over a panel several times, the first would wait for memory: each pass
// requests a share of the panels that come next. A single pass reads at the rate of memory by itself.
template <class Weight>
class NextPanels {
 public:
  NextPanels(const ProjectionArguments& a, int64_t first, int64_t count, int64_t passes) {
    const int64_t bytes = Weight::depth(a.inner) * bytes_of_step;
    from_ = static_cast<const char*>(a.panels) + first * bytes;
    if (passes > 1 && first * panel_columns < a.columns)
      distance_ = (count * bytes_of_step + passes * requests - 1) / (passes * requests);
  }

  // What a pass of so many steps requests.
  auto during(int64_t depth) {
    const Paced<requests> share{from_, distance_};
    from_ += depth * requests * distance_;
    return share;
  }

 private:
  static constexpr int64_t bytes_of_step = panel_columns * sizeof(typename Weight::Element);
  static constexpr int requests = bytes_of_step > 64 ? bytes_of_step / 64 : 1;

  const char* from_;
  int64_t distance_ = 0;
};

// Multiplies rows [first, first + rows) by consecutive panels.
template <class Weight, int rows, int panels, class Write>
static inline void multiply_tile(const ProjectionArguments& a, const typename Weight::Factor* input,
                                 int64_t first, int64_t panel, NextPanels<Weight>& next, Write write) {
  const int64_t depth = Weight::depth(a.inner), size = panel_columns * depth;
  const auto* weights = static_cast<const typename Weight::Element*>(a.panels) + panel * size;
  Accumulators<rows, panels * tile_vectors> acc;
  multiply<BroadcastRows, Weight, panels>(input + first * depth, depth, weights, panel_columns, depth, acc,
                                          size, next.during(depth));
  // All sums leave their registers before the first is written: where the loop that writes them is too long
  // to be unrolled, the compiler would keep them in memory from the start.
  alignas(64) float values[rows][panels * panel_columns];
#pragma GCC unroll 16
  for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < panels * tile_vectors; ++v) store(values[m] + v * lanes, acc[m][v]);
  }
  write(first, int64_t{rows}, panel, int64_t{panels}, values[0]);
}

template <int count>
struct PanelCount {
  static constexpr int value = count;
};

// Calls write(row, rows, panel, count, values) with the sums of some rows for `count` panels from `panel` on.
template <class Weight, class Write>
static inline void multiply_panels(const ProjectionArguments& a, const typename Weight::Factor* input,
                                   int64_t rows, PanelRange panels, Write write) {
  int64_t most = 1;
  for_row_tiles(rows, [&](auto tile, int64_t) {
    if (panels_at_once(tile.value) > most) most = panels_at_once(tile.value);
  });
  int64_t passes = 0;
  for_row_tiles(rows, [&](auto tile, int64_t) { passes += most / panels_at_once(tile.value); });
  // All rows are multiplied by some panels before the next ones, which are read only once.
  for (int64_t begin = panels.first; begin < panels.end; begin += most) {
    const int64_t end = begin + most < panels.end ? begin + most : panels.end;
    NextPanels<Weight> next{a, end, most, passes};
    for_row_tiles(rows, [&](auto tile, int64_t first) {
      int64_t panel = begin;
      const auto take = [&](auto count) {
        for (; panel + count.value <= end; panel += count.value)
          multiply_tile<Weight, tile.value, count.value>(a, input, first, panel, next, write);
      };
      if constexpr (panels_at_once(tile.value) == 4) take(PanelCount<4>{});
      if constexpr (panels_at_once(tile.value) >= 2) take(PanelCount<2>{});
      take(PanelCount<1>{});
    });
  }
}

void project_panels(const ProjectionArguments& a, int64_t first_row, int64_t rows, Columns columns,
                    void* scratch) {
  if constexpr (has_pair_products) {
    if (!takes_pairs(a.weight_type)) return HEED_SHARED::project_panels(a, first_row, rows, columns, scratch);
  }
  ScratchCursor cursor{scratch};
  void* copy = cursor.take<float>(rows * (a.inner + 1));
  float* sums = cursor.take<float>(collected_sums(a, rows, columns));
  with_panel_type(a.weight_type, a.input_type, [&](auto type) {
    using Weight = decltype(type);
    const auto* input = factors_of<Weight>(a, first_row, rows, copy);
    write_product(a, first_row, rows, columns, sums, [&](PanelRange panels, auto write) {
      multiply_panels<Weight>(a, input, rows, panels, write);
    });
  });
}

// Multiplies some rows by `columns`, at most panel_columns, of an unpacked weight. Turns squares of the
// weight around in registers, so that sums have the order, and the bits, of sums over panels.
template <class Weight, int rows>
static inline void multiply_columns(const typename Weight::Factor* input, int64_t inner,
                                    const typename Weight::Stored* weight, int64_t columns,
                                    float (&values)[rows][panel_columns]) {
  const int64_t depth = Weight::depth(inner);
  Accumulators<rows, tile_vectors> acc = {};
  const auto add_squares = [&](int64_t k, int64_t steps) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v = 0; v < tile_vectors; ++v) {
      typename Weight::Column square[lanes];
      Weight::load_square(weight + v * lanes * inner, columns - v * lanes, inner, k, square);
#pragma GCC unroll 16
      for (int i = 0; i < steps; ++i) {
#pragma GCC unroll 8
        for (int m = 0; m < rows; ++m) {
          const auto factor = Weight::template broadcast<0>(input + m * depth + k + i);
          acc[m][v] = Weight::multiply_add(factor, square[i], acc[m][v]);
        }
      }
    }
  };
  int64_t k = 0;
  for (; k + lanes <= depth; k += lanes) add_squares(k, lanes);
  if (k < depth) add_squares(k, depth - k);
  for (int m = 0; m < rows; ++m) {
    for (int v = 0; v < tile_vectors; ++v) store(values[m] + v * lanes, acc[m][v]);
  }
}

void project_columns(const ProjectionArguments& a, Columns columns, void* scratch) {
  if constexpr (has_pair_products) {
    if (!takes_pairs(a.weight_type) || a.input_type != DType::bfloat16)
      return HEED_SHARED::project_columns(a, columns, scratch);
  }
  ScratchCursor cursor{scratch};
  void* copy = cursor.take<float>(a.rows * (a.inner + 1));
  with_unpacked_type(a.weight_type, [&](auto type) {
    using Weight = decltype(type);
    const auto* input = factors_of<Weight>(a, 0, a.rows, copy);
    const auto* weight = static_cast<const typename Weight::Stored*>(a.panels);
    for (int64_t first = columns.first; first < columns.end; first += panel_columns) {
      const int64_t left = columns.end - first, count = left < panel_columns ? left : panel_columns;
      for_row_tiles(a.rows, [&](auto tile, int64_t row) {
        alignas(64) float values[tile.value][panel_columns];
        multiply_columns<Weight, tile.value>(input + row * Weight::depth(a.inner), a.inner,
                                             weight + first * a.inner, count, values);
        write_columns(a, row, tile.value, first, count, values[0], panel_columns);
      });
    }
  });
}

}  // namespace heed::cpu::HEED_ISA
