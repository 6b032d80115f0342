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

#include "cpu/kernels/multiply_loop.h"
#include "cpu/kernels/storage.h"
#include "cpu/kernels/tiles.h"
#include "cpu/kernels/upcoming.h"

namespace heed::cpu::HEED_ISA {

template <int rows, int vectors>
using Accumulators = Vec[rows][vectors];

// The layout of A: A(m, k) is a[m · row_stride + k · depth_stride]. One of the strides is 1.
struct BroadcastRows {  // k is contiguous
  static constexpr bool contiguous_rows = true;
  static int64_t row(int64_t stride, int64_t m) { return m * stride; }
  static int64_t depth(int64_t, int64_t k) { return k; }
};
struct BroadcastColumns {  // m is contiguous
  static constexpr bool contiguous_rows = false;
  static int64_t row(int64_t, int64_t m) { return m; }
  static int64_t depth(int64_t stride, int64_t k) { return k * stride; }
};

// One step of depth: acc[m][v] += A(m, k) · B[k][v]. A row of B lies in several panels, `apart` elements from
// each other. The type of B says what a step is, and what multiplies it: storage.h, pair_product.h.
template <class Walk, class BType, int panels, int rows, int vectors>
static inline __attribute__((always_inline)) void multiply_step(const typename BType::Factor* a,
                                                                int64_t stride,
                                                                const typename BType::Element* b,
                                                                int64_t apart, int64_t k,
                                                                Accumulators<rows, vectors>& acc) {
  const auto multiply_part = [&](auto part) __attribute__((always_inline)) {
    constexpr int wide = vectors / panels;
    typename BType::Column column[panels][wide];
#pragma GCC unroll 4
    for (int i = 0; i < panels; ++i) BType::template load_part<part.value>(b + i * apart, column[i]);
#pragma GCC unroll 16
    for (int m = 0; m < rows; ++m) {
      const auto factor =
          BType::template broadcast<part.value>(a + Walk::row(stride, m) + Walk::depth(stride, k));
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v)
        acc[m][v] = BType::multiply_add(factor, column[v / wide][v % wide], acc[m][v]);
    }
  };
  multiply_part(std::integral_constant<int, 0>{});
  if constexpr (BType::parts == 2) multiply_part(std::integral_constant<int, 1>{});
}

// acc[m][v] = Σ_k A(m, k) · B[k][v], B's rows `pitch` elements apart. Products are added one by one, in the
// order of k: a sum has the same bits in a tile of any shape, so that a row's result does not depend on which
// rows are computed with it. `next` requests what is read afterwards, a little at each step.
template <class Walk, class BType, int panels = 1, int rows, int vectors, class Next = NothingUpcoming>
static inline __attribute__((always_inline)) void multiply(const typename BType::Factor* a, int64_t stride,
                                                           const typename BType::Element* b, int64_t pitch,
                                                           int64_t depth, Accumulators<rows, vectors>& acc,
                                                           int64_t apart = 0, Next next = {}) {
  if constexpr (has_multiply_loop && vectors == 2 && panels == 1 &&
                std::is_same_v<typename BType::Element, float>) {
    if (pitch == vectors * lanes) {
      multiply_loop<Walk::contiguous_rows, rows, Next::requests>(a, stride * sizeof(float), b, depth, acc,
                                                                 next.at(0), next.distance_of(4));
      return;
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) acc[m][v] = Vec{};
  }
  for (int64_t k = 0; k < depth; ++k) {
    next.request(k);
    multiply_step<Walk, BType, panels>(a, stride, b + k * pitch, apart, k, acc);
  }
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
