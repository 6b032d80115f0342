// The only matrix kernel: multiplies a broadcast element of A by a vector of B and accumulates in registers.
// Attention's QKᵀ and PV and the projections differ only in A, B and the epilogue:
//
//            A (broadcast)       B (vectors)            one accumulator is
//   QKᵀ      key, in place       queries, transposed    a key's scores for `lanes` query rows
//   PV       value, in place     weights, transposed    a value column's sums for `lanes` query rows
//   x Wᵀ     input, in place     packed panel of W      an input row's outputs for `lanes` columns
//
// Query rows lie along the vector lanes, so softmax needs no horizontal operation and K needs no packing.
#pragma once

#include "cpu/kernels/storage.h"
#include "cpu/kernels/tiles.h"

namespace heed::cpu::HEED_ISA {

template <int rows, int vectors>
using Accumulators = Vec[rows][vectors];

// The layout of A: A(m, k) is a[m · row_stride + k · depth_stride]. One of the strides is 1.
struct BroadcastRows {  // k is contiguous
  static int64_t row(int64_t stride, int64_t m) { return m * stride; }
  static int64_t depth(int64_t, int64_t k) { return k; }
};
struct BroadcastColumns {  // m is contiguous
  static int64_t row(int64_t, int64_t m) { return m; }
  static int64_t depth(int64_t stride, int64_t k) { return k * stride; }
};

// One step of depth: acc[m][v] += A(m, k) · B[k][v]. Types of B say what a step is: storage.h,
// pair_product.h.
template <class Walk, class BType, int rows, int vectors>
static inline __attribute__((always_inline)) void multiply_step(const typename BType::Factor* a,
                                                                int64_t stride,
                                                                const typename BType::Element* b, int64_t k,
                                                                Accumulators<rows, vectors>& acc) {
  const auto multiply_part = [&](auto part) __attribute__((always_inline)) {
    typename BType::Column column[vectors];
    BType::template load_part<part.value>(b, column);
#pragma GCC unroll 16
    for (int m = 0; m < rows; ++m) {
      const auto factor =
          BType::template broadcast<part.value>(a + Walk::row(stride, m) + Walk::depth(stride, k));
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) acc[m][v] = BType::multiply_add(factor, column[v], acc[m][v]);
    }
  };
  multiply_part(std::integral_constant<int, 0>{});
  if constexpr (BType::parts == 2) multiply_part(std::integral_constant<int, 1>{});
}

// in_order: products are added one by one, as in a scalar loop.
enum class Sums { in_order, in_any_order };

// acc[m][v] = Σ_k A(m, k) · B[k][v], B's rows `pitch` elements apart.
template <class Walk, class BType, Sums order, int rows, int vectors>
static inline __attribute__((always_inline)) void multiply(const typename BType::Factor* a, int64_t stride,
                                                           const typename BType::Element* b, int64_t pitch,
                                                           int64_t depth, Accumulators<rows, vectors>& acc) {
#pragma GCC unroll 16
  for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) acc[m][v] = Vec{};
  }
  // A small tile would stall on its own last sum, so each element gets several sums, which are added at the
  // end.
  constexpr int chains = order == Sums::in_order || rows * vectors >= 8 ? 1 : rows * vectors >= 4 ? 2 : 4;
  int64_t k = 0;
  if constexpr (chains > 1) {
    Accumulators<rows, vectors> sums[chains] = {};
    for (; k + chains <= depth; k += chains) {
#pragma GCC unroll 4
      for (int c = 0; c < chains; ++c)
        multiply_step<Walk, BType>(a, stride, b + (k + c) * pitch, k + c, sums[c]);
    }
    for (int c = 0; c < chains; ++c) {
      for (int m = 0; m < rows; ++m) {
        for (int v = 0; v < vectors; ++v) acc[m][v] += sums[c][m][v];
      }
    }
  }
  for (; k < depth; ++k) multiply_step<Walk, BType>(a, stride, b + k * pitch, k, acc);
}

// Cuts `count` rows into register tiles: tiles of six rows, with the rest distributed so that no tile has
// only one or two rows if this is avoidable (a thin tile loads a vector for every one or two products).
// f(std::integral_constant rows, first).
template <int rows>
struct Rows {
  static constexpr int value = rows;
};
template <class F>
static inline void for_row_tiles(int64_t count, F f) {
  int64_t first = 0;
  while (count - first >= 2 * tile_rows || count - first == tile_rows) {
    f(Rows<6>{}, first);
    first += 6;
  }
  int64_t left = count - first;  // 0 … 11, not 6
  if (left > tile_rows) {
    const int64_t half = (left + 1) / 2;  // 7: 4 + 3, 8: 4 + 4, 9: 5 + 4, 10: 5 + 5, 11: 6 + 5
    if (half == 6) f(Rows<6>{}, first);
    if (half == 5) f(Rows<5>{}, first);
    if (half == 4) f(Rows<4>{}, first);
    first += half;
    left -= half;
  }
  if (left == 5) f(Rows<5>{}, first);
  if (left == 4) f(Rows<4>{}, first);
  if (left == 3) f(Rows<3>{}, first);
  if (left == 2) f(Rows<2>{}, first);
  if (left == 1) f(Rows<1>{}, first);
}

// Cuts vectors [first, last) into groups of tile_vectors and a smaller remainder.
template <int vectors>
struct Vectors {
  static constexpr int value = vectors;
};
template <class F>
static inline void for_vector_groups(int64_t first, int64_t last, F f) {
  for (; last - first >= tile_vectors; first += tile_vectors) f(Vectors<tile_vectors>{}, first);
  if constexpr (tile_vectors > 3) {
    if (last - first == 3) f(Vectors<3>{}, first);
  }
  if constexpr (tile_vectors > 2) {
    if (last - first == 2) f(Vectors<2>{}, first);
  }
  if (last - first == 1) f(Vectors<1>{}, first);
}

}  // namespace heed::cpu::HEED_ISA
