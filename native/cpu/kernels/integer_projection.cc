// y = x Wᵀ + b with W of int8 or int4: integers are multiplied and summed exactly, group by group, and the
// sums are scaled in float32, in the order of the groups. Products and sums there are not fused, so that all
// instruction sets give the same bits.
//
// A panel holds, for each group, words of panel_columns lanes and then the scales of the group. Each word has
// four bytes of one column (int8), or eight codes: four in the lower halves of the bytes, then four in the
// upper ones (int4). So a product reads its weight as one stream.
#include "cpu/kernels/integer_table.h"
#include "cpu/kernels/multiply.h"
#include "cpu/kernels/quantised_rows.h"
#include "cpu/kernels/scratch_cursor.h"
#include "cpu/kernels/write_product.h"

namespace heed::cpu::HEED_ISA {

// The layouts: how many elements a word holds, how elements are put there, and how words are multiplied. Few
// rows read a panel as fast as memory gives it. The processor's own prefetchers stay too close to a single
// stream, so each word requests one that is far ahead, in this panel or the next.
struct Bytes {
  static constexpr int depth = 4;
  static constexpr int tile_width = tile_vectors;  // vectors that a tile of several rows is wide
  static constexpr int64_t far_ahead = 1024 / sizeof(int32_t);

  static uint32_t word(const QuantisedWeight& weight, int64_t column, int64_t k) {
    uint32_t packed = 0;
    for (int i = 0; i < depth; ++i) {
      const int number =
          k + i < weight.inner ? static_cast<int8_t>(weight.values[column * weight.inner + k + i]) : 0;
      packed |= static_cast<uint32_t>(static_cast<uint8_t>(number + Dots::added)) << (8 * i);
    }
    return packed;
  }

  template <int rows, int vectors>
  __attribute__((always_inline)) void add(const int32_t* words, const Dots::Input* input, int64_t stride,
                                          IntVec (&sums)[rows][vectors]) const {
    IntVec weights[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) weights[v] = load(words + v * lanes);
    Dots::add(input, stride, weights, sums);
  }
};

struct Nibbles {
  static constexpr int depth = 8;
  // Sums of a group and of all groups share the registers.
  static constexpr int tile_width = 2;
  static constexpr int64_t far_ahead = 2048 / sizeof(int32_t);

  IntVec levels;
  Nibbles() {
    uint8_t table[16];
    for (int i = 0; i < 16; ++i) table[i] = static_cast<uint8_t>(int4_levels[i] + Dots::added);
    levels = repeat(table);
  }

  static uint32_t word(const QuantisedWeight& weight, int64_t column, int64_t k) {
    const uint8_t* row = weight.values + column * ((weight.inner + 1) / 2);
    uint32_t packed = 0;
    for (int i = 0; i < depth; ++i) {
      const uint32_t code = k + i < weight.inner ? row[(k + i) / 2] >> (k + i) % 2 * 4 & 15 : int4_zero;
      packed |= code << (i % 4 * 8 + i / 4 * 4);
    }
    return packed;
  }

  template <int rows, int vectors>
  __attribute__((always_inline)) void add(const int32_t* words, const Dots::Input* input, int64_t stride,
                                          IntVec (&sums)[rows][vectors]) const {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      IntVec weights[vectors];
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) {
        weights[v] = look_up(levels, (load(words + v * lanes) >> (4 * half)) & splat_int(0x0f0f0f0f));
      }
      Dots::add(input + 4 * half, stride, weights, sums);
    }
  }
};

template <class F>
static inline auto with_layout(QuantisedWeight::Type type, F f) {
  if (type == QuantisedWeight::Type::int8) return f(Bytes{});
  return f(Nibbles{});
}

// Calls f(words) for each group, the number of words of one column.
template <class Layout, class F>
static inline __attribute__((always_inline)) void for_groups(const IntegerPanels& panels, F f) {
  for (int64_t left = panels.inner; left > 0; left -= panels.group_size) {
    const int64_t elements = left < panels.group_size ? left : panels.group_size;
    f((elements + Layout::depth - 1) / Layout::depth);
  }
}

static size_t panel_size(const IntegerPanels& panels) {
  return with_layout(panels.type, [&](auto layout) {
    constexpr int64_t depth = decltype(layout)::depth;
    const int64_t whole = panels.inner / panels.group_size, rest = panels.inner % panels.group_size;
    const int64_t words =
        whole * (panels.group_size / depth + 1) + (rest ? (rest + depth - 1) / depth + 1 : 0);
    return static_cast<size_t>(words) * panel_columns * sizeof(int32_t);
  });
}

static void pack_panel_of(const QuantisedWeight& weight, const IntegerPanels& panels, int64_t panel,
                          void* data) {
  with_layout(panels.type, [&](auto layout) {
    using Layout = decltype(layout);
    auto* words = reinterpret_cast<uint32_t*>(static_cast<char*>(data) + panel * panel_size(panels));
    int64_t k = 0, group = 0;
    const int64_t groups = weight.groups();
    for_groups<Layout>(panels, [&](int64_t count) {
      for (int64_t c = 0; c < panel_columns; ++c) {
        const int64_t column = panel * panel_columns + c;
        const bool present = column < weight.columns;
        for (int64_t i = 0; i < count; ++i)
          words[i * panel_columns + c] = present ? Layout::word(weight, column, k + i * Layout::depth) : 0;
        float scale = 1;
        if (present && panels.type == QuantisedWeight::Type::int4)
          scale = weight.scales[column * groups + group] / panels.factors[column];
        __builtin_memcpy(words + count * panel_columns + c, &scale, sizeof scale);
      }
      words += (count + 1) * panel_columns;
      k += count * Layout::depth;
      ++group;
    });
  });
}

// sums[m][v] of rows of integers from `first` on; `words` begins with the first vector.
template <class Layout, int rows, int vectors>
static inline __attribute__((always_inline)) void multiply_integers(const Layout& layout,
                                                                    const IntegerPanels& panels,
                                                                    const int32_t* words,
                                                                    const QuantisedRows& block, int64_t first,
                                                                    Vec (&sums)[rows][vectors]) {
#pragma GCC unroll 16
  for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sums[m][v] = Vec{};
  }
  const Dots::Input* input = block.numbers + first * block.stride;
  const int32_t* offsets = block.offsets + first * block.groups;
  for_groups<Layout>(panels, [&](int64_t count) {
    IntVec group[rows][vectors];
#pragma GCC unroll 16
    for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v)
        group[m][v] = Dots::added ? splat_int(offsets[m * block.groups]) : IntVec{};
    }
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (rows <= 2) __builtin_prefetch(words + Layout::far_ahead);
      layout.add(words, input, block.stride, group);
      words += panel_columns;
      input += Layout::depth;
    }
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      const Vec scale = as_float(load(words + v * lanes));
#pragma GCC unroll 16
      for (int m = 0; m < rows; ++m)
        sums[m][v] = sums[m][v] + __builtin_convertvector(group[m][v], Vec) * scale;
    }
    words += panel_columns;
    if (Dots::added) ++offsets;
  });
}

// Turns the sums of a row of integers into results; those of a row with a second one wait for it in `first`.
// Returns whether the row is complete. In float64, because the factors of a weight and of an input may be
// beyond float32 where their product is not.
static inline bool finish_row(const QuantisedRows& block, int64_t at, const float* factors, float* sums,
                              float* first) {
  const int64_t row = block.owner[at];
  if (at > 0 && block.owner[at - 1] == row) {
    for (int i = 0; i < panel_columns; ++i) sums[i] = first[i] + sums[i] * second_row;
  } else if (at + 1 < *block.count && block.owner[at + 1] == row) {
    for (int i = 0; i < panel_columns; ++i) first[i] = sums[i];
    return false;
  }
  const double scale = block.scale[row];
  for (int i = 0; i < panel_columns; ++i)
    sums[i] = static_cast<float>(sums[i] * scale * static_cast<double>(factors[i]));
  return true;
}

// Calls f(Rows, first) for tiles of `most` rows, and one of what is left.
template <int most, class F>
static inline void for_tiles(int64_t first, int64_t end, F f) {
  for (; end - first >= most; first += most) f(Rows<most>{}, first);
  if constexpr (most > 1) for_tiles<most - 1>(first, end, f);
}

// Calls write(row, values) with the results of each row.
template <class Layout, class Write>
static inline void project_panel(const Layout& layout, const IntegerPanels& panels,
                                 const QuantisedRows& block, int64_t panel, Write write) {
  // Without elements there are no factors: there may be any number of columns.
  static constexpr float no_factors[panel_columns] = {};
  const float* factors = panels.inner > 0 ? panels.factors + panel * panel_columns : no_factors;
  const auto* words =
      reinterpret_cast<const int32_t*>(static_cast<const char*>(panels.data) + panel * panel_size(panels));
  alignas(64) float waiting[panel_columns];
  for_tiles<Dots::most_rows>(0, *block.count, [&](auto tile, int64_t first) {
    constexpr int rows = tile.value;
    constexpr int width = rows <= 2 ? tile_vectors : Layout::tile_width;
    alignas(64) float values[rows][panel_columns];
    for (int base = 0; base < tile_vectors; base += width) {
      Vec sums[rows][width];
      multiply_integers(layout, panels, words + base * lanes, block, first, sums);
#pragma GCC unroll 16
      for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 8
        for (int v = 0; v < width; ++v) HEED_ISA::store(values[m] + (base + v) * lanes, sums[m][v]);
      }
    }
    for (int m = 0; m < rows; ++m) {
      if (finish_row(block, first + m, factors, values[m], waiting)) write(block.owner[first + m], values[m]);
    }
  });
}

static size_t quantised_size(const IntegerPanels& panels, int64_t rows) {
  return QuantisedRows(panels, rows, nullptr).size;
}

static size_t integer_scratch(const ProjectionArguments& a, int64_t rows, Columns columns) {
  return collected_sums(a, rows, columns) * sizeof(float);
}

static void project_integers(const ProjectionArguments& a, const IntegerPanels& panels, const void* memory,
                             int64_t first_row, int64_t rows, Columns columns, void* scratch) {
  const QuantisedRows block(panels, rows, const_cast<void*>(memory));
  with_layout(panels.type, [&](auto layout) {
    const auto multiply = [&](PanelRange range, auto write) {
      for (int64_t panel = range.first; panel < range.end; ++panel) {
        project_panel(layout, panels, block, panel,
                      [&](int64_t row, float* values) { write(row, int64_t{1}, panel, int64_t{1}, values); });
      }
    };
    write_product(a, first_row, rows, columns, static_cast<float*>(scratch), multiply);
  });
}

extern const IntegerTable integer_table;
const IntegerTable integer_table = {
    .panel_columns = panel_columns,
    .panel_size = panel_size,
    .pack_panel = pack_panel_of,
    .quantised_size = quantised_size,
    .quantise_rows = quantise_block,
    .scratch = integer_scratch,
    .project = project_integers,
};

}  // namespace heed::cpu::HEED_ISA
