// Dot products of a few rows with many contiguous rows: decoding against a cache, and projections of one or
// two rows with an unpacked weight. Every element of the long side is read once.
#pragma once

#include "cpu/kernels/multiply.h"

namespace heed::cpu::HEED_ISA {

// Lane i of the result is the sum of the lanes of v[i], for i < count, a power of two. Pairs of vectors are
// folded into one, so that all sums together cost little more than a single sum.
template <int count, int block = 1>
static inline __attribute__((always_inline)) Vec sum_each(Vec (&v)[count]) {
  if constexpr (block < count) {
#pragma GCC unroll 16
    for (int i = 0; i < count; i += 2 * block) {
      const Vec a = v[i], b = v[i + block];
      v[i] = shuffle(a, b, SwapLow<block>{}) + shuffle(a, b, SwapHigh<block>{});
    }
    return sum_each<count, block * 2>(v);
  } else if constexpr (block < lanes) {
    v[0] += shuffle(v[0], v[0], RotateBy<block>{});
    return sum_each<count, block * 2>(v);
  } else {
    return v[0];
  }
}

// Calls f(Rows, first) for four, two and one rows at a time.
template <class F>
static inline void for_dot_rows(int64_t count, F f) {
  int64_t first = 0;
  for (; count - first >= 4; first += 4) f(Rows<4>{}, first);
  if (count - first >= 2) {
    f(Rows<2>{}, first);
    first += 2;
  }
  if (count > first) f(Rows<1>{}, first);
}

// Calls f(Part) for the rest of a row after whole vectors, in parts of eight and four. Up to three elements
// remain.
template <int count>
struct Part {
  static constexpr int value = count;
};
template <class F>
static inline void for_parts_of_vector(int64_t width, int64_t& d, F f) {
  if constexpr (lanes > 8) {
    if (width - d >= 8) {
      f(Part<8>{});
      d += 8;
    }
  }
  if constexpr (lanes > 4) {
    if (width - d >= 4) {
      f(Part<4>{});
      d += 4;
    }
  }
}

// The last `count` elements of a row, fewer than a vector has, padded with zeros.
template <class Type>
static inline Vec load_rest(const typename Type::Element* row, int64_t count) {
  alignas(64) float rest[lanes] = {};
  for (int64_t i = 0; i < count; ++i) rest[i] = Type::get(row[i]);
  return load(rest);
}

// The number of keys (or weight rows) in one tile: enough accumulators to hide the latency of a multiply-add,
// and few enough for the registers of the instruction set.
template <int rows>
constexpr int dot_columns = (lanes > 8 && rows < 4 ? 8 : lanes) / rows;

// Computes a[m] · b[n] for rows × dot_columns products, in lane m · dot_columns + n.
template <class Type, int rows, class Next>
static inline Vec dot_tile(const float* a, int64_t a_stride, const typename Type::Element* b,
                           int64_t b_stride, int64_t width, Next& next) {
  constexpr int columns = dot_columns<rows>;
  Vec acc[rows * columns] = {};
  const auto step = [&](auto left_of, auto right_of) {
    Vec left[rows];
#pragma GCC unroll 8
    for (int m = 0; m < rows; ++m) {
      left[m] = left_of(a + m * a_stride);
      keep_in_register(left[m]);
    }
#pragma GCC unroll 8
    for (int n = 0; n < columns; ++n) {
      const Vec right = right_of(b + n * b_stride);
#pragma GCC unroll 8
      for (int m = 0; m < rows; ++m) {
        acc[m * columns + n] = multiply_add(left[m], right, acc[m * columns + n]);
      }
    }
  };
  int64_t d = 0;
  Next upcoming = next;  // in registers
  for (; d + lanes <= width; d += lanes) {
    upcoming.template request<columns * lanes>(d / lanes);
    step([&](const float* row) { return load(row + d); },
         [&](const typename Type::Element* row) { return Type::load(row + d); });
  }
  next = upcoming;
  for_parts_of_vector(width, d, [&](auto part) {
    step([&](const float* row) { return Float32::load_first<part.value>(row + d); },
         [&](const typename Type::Element* row) { return Type::template load_first<part.value>(row + d); });
  });
  // The rest is also computed as a vector, so that all products are rounded in the same way.
  if (d < width) {
    step([&](const float* row) { return load_rest<Float32>(row + d, width - d); },
         [&](const typename Type::Element* row) { return load_rest<Type>(row + d, width - d); });
  }
  return sum_each(acc);
}

// out[m · pitch + n] = a[m] · b[n] for m < rows, n < columns.
template <class Type, class Next = NothingUpcoming>
static inline void dot_rows(const float* a, int64_t rows, int64_t a_stride, const typename Type::Element* b,
                            int64_t b_stride, int64_t columns, int64_t width, float* out, int64_t pitch,
                            Next next = {}) {
  for_dot_rows(rows, [&](auto tile, int64_t first) {
    constexpr int wide = dot_columns<tile.value>;
    const auto take = [&](int64_t n, int64_t count, int64_t stride) {
      alignas(64) float sums[lanes];
      store(sums, dot_tile<Type, tile.value>(a + first * a_stride, a_stride, b + n * b_stride, stride, width,
                                             next));
      for (int64_t m = 0; m < tile.value; ++m) {
        __builtin_memcpy(out + (first + m) * pitch + n, sums + m * wide,
                         static_cast<size_t>(count) * sizeof(float));
      }
    };
    int64_t n = 0;
    for (; n + wide <= columns; n += wide) take(n, wide, b_stride);
    for (; n < columns; ++n) take(n, 1, 0);  // repeats the same column to fill the tile
  });
}

}  // namespace heed::cpu::HEED_ISA
