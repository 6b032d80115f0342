// Rows of an input as int8: x ≈ s · q, with s = max |x| / 127. In a row with outliers, most numbers would be
// left with few digits, so it becomes two rows: q, and 254 times what q lacks, rounded again. Everything
// follows from the row alone, and to the bit on every instruction set.
#pragma once

#include "cpu/kernels/integer_dot.h"
#include "cpu/kernels/integer_table.h"
#include "cpu/kernels/scratch_cursor.h"
#include "cpu/kernels/storage.h"

namespace heed::cpu::HEED_ISA {

// What a second row counts.
constexpr float second_row = 1.0f / 254;

// The parts of a block. Rows lie one after the other, each perhaps followed by its second row.
struct QuantisedRows {
  int64_t stride;  // elements from row to row, zeros after the last
  int64_t groups;
  int64_t* count;        // one number: how many rows of integers there are
  int64_t* owner;        // the row of the input that each belongs to, counted from the first of the block
  double* scale;         // of each row of the input; NaN where it is not finite
  int32_t* offsets;      // [count, groups], what a sum begins with
  Dots::Input* numbers;  // [count, stride]
  float* row;            // one row of the input, widened
  size_t size;

  QuantisedRows(const IntegerPanels& panels, int64_t rows, void* block) {
    ScratchCursor cursor{block};
    stride = (panels.inner + 15) / 16 * 16;
    groups = panels.inner / panels.group_size + (panels.inner % panels.group_size != 0);
    count = cursor.take<int64_t>(1);
    owner = cursor.take<int64_t>(2 * rows);
    scale = cursor.take<double>(rows);
    row = cursor.take<float>(stride);
    offsets = cursor.take<int32_t>(Dots::added ? 2 * rows * groups : 0);
    numbers = cursor.take<Dots::Input>(2 * rows * stride);
    size = cursor.used();
  }
};

// The bits of max |x|, which are in the order of the numbers, ∞ and NaN above all of them.
static inline int32_t largest_bits(const float* x, int64_t count) {
  IntVec most{};
  for (int64_t i = 0; i < count; i += lanes) {
    const IntVec bits = as_int(load(x + i)) & splat_int(INT32_MAX);
    most = bits > most ? bits : most;
  }
  int32_t largest = 0;
  for (int i = 0; i < lanes; ++i) largest = most[i] > largest ? most[i] : largest;
  return largest;
}

// Rounds |x| < 2^22 to nearest even.
struct Rounded {
  Vec number;
  IntVec integer;
};
static inline Rounded round_to_integer(Vec x) {
  const Vec magic = splat(0x1.8p23f), shifted = x + magic;
  return {shifted - magic, as_int(shifted) - as_int(magic)};
}

// 128 Σ x of each group, negative.
static inline void write_offsets(const IntegerPanels& panels, const QuantisedRows& block, int64_t at) {
  if constexpr (Dots::added != 0) {
    for (int64_t g = 0; g < block.groups; ++g) {
      const int64_t first = g * panels.group_size, left = panels.inner - first;
      const Dots::Input* numbers = block.numbers + at * block.stride + first;
      const int64_t elements = left < panels.group_size ? left : panels.group_size;
      int32_t sum = 0;
      for (int64_t i = 0; i < elements; ++i) sum += numbers[i];
      block.offsets[at * block.groups + g] = -Dots::added * sum;
    }
  }
}

// Quantises the widened row, and returns how many rows that took.
static inline int64_t quantise_row(const IntegerPanels& panels, const QuantisedRows& block, int64_t row) {
  const int64_t at = *block.count;
  Dots::Input* first = block.numbers + at * block.stride;
  const int32_t bits = largest_bits(block.row, block.stride);
  const bool finite = bits < 0x7f800000;
  const float largest = __builtin_bit_cast(float, bits);
  block.scale[row] = finite ? static_cast<double>(largest) / 127 : __builtin_nan("");
  block.owner[at] = row;
  if (!finite || largest == 0) {
    __builtin_memset(first, 0, block.stride * sizeof(Dots::Input));
    if (Dots::added != 0)
      __builtin_memset(block.offsets + at * block.groups, 0, block.groups * sizeof(int32_t));
    return 1;
  }
  // Neither the inverse nor what it is multiplied by is denormal or infinite.
  const float raise = largest < 0x1p-100f ? 0x1p100f : 1;
  const float inverse = 127 / (largest * raise);
  int64_t squares = 0;
  for (int64_t begin = 0; begin < block.stride; begin += 1 << 16) {
    const int64_t end = block.stride - begin < 1 << 16 ? block.stride : begin + (1 << 16);
    IntVec sums{};
    for (int64_t i = begin; i < end; i += lanes) {
      const Vec t = load(block.row + i) * splat(raise) * splat(inverse);
      store(block.row + i, t);
      const IntVec q = round_to_integer(t).integer;
      sums += q * q;
      Dots::store(first + i, q);
    }
    for (int i = 0; i < lanes; ++i) squares += sums[i];
  }
  write_offsets(panels, block, at);
  // Whether the largest exceeds five times the root of the mean square.
  if (127 * 127 * panels.inner <= 25 * squares) return 1;
  block.owner[at + 1] = row;
  for (int64_t i = 0; i < block.stride; i += lanes) {
    const Vec t = load(block.row + i);
    Dots::store(first + block.stride + i,
                round_to_integer((t - round_to_integer(t).number) * splat(254)).integer);
  }
  write_offsets(panels, block, at + 1);
  return 2;
}

static inline void quantise_block(const ProjectionArguments& a, const IntegerPanels& panels,
                                  int64_t first_row, int64_t rows, void* memory) {
  const QuantisedRows block(panels, rows, memory);
  *block.count = 0;
  for (int64_t i = a.inner; i < block.stride; ++i) block.row[i] = 0;
  with_type(a.input_type, [&](auto type) {
    using Type = decltype(type);
    const auto* input = static_cast<const typename Type::Element*>(a.input) + first_row * a.inner;
    for (int64_t row = 0; row < rows; ++row) {
      widen<Type>(input + row * a.inner, a.inner, block.row);
      *block.count += quantise_row(panels, block, row);
    }
  });
}

}  // namespace heed::cpu::HEED_ISA
