// Element types of packed weights: those of storage.h, in the order that the matrix kernel reads fastest.
#pragma once

#include "cpu/kernels/pair_product.h"
#include "cpu/kernels/tiles.h"

namespace heed::cpu::HEED_ISA {

// A panel has a row for each step of the depth. Its vectors are written in tiles of `lanes` elements of the
// inner axis, of which `steps` are there and the others zeros; two vectors side by side, and read likewise.
template <class Type, class Own>
struct RowsOfElements {
  using Input = Float32;  // the type of what multiplies the panel
  static int64_t depth(int64_t inner) { return inner; }
  static void store_tile(typename Type::Element* to, int64_t pitch, int64_t steps, const Vec* first,
                         const Vec* second) {
    for (int64_t i = 0; i < steps; ++i) Own::store_pair(to + i * pitch, first[i], second[i]);
  }
};

template <class Type>
struct Panel : Type, RowsOfElements<Type, Panel<Type>> {
  static void store_pair(typename Type::Element* to, Vec first, Vec second) {
    Type::store(to, first);
    Type::store(to + lanes, second);
  }
};

// Two vectors share one vector of 32-bit words, the first in the low halves: a shift and a mask widen both.
template <>
struct Panel<BFloat16> : FloatProducts<Panel<BFloat16>>, RowsOfElements<BFloat16, Panel<BFloat16>> {
  using Element = uint16_t;
  static void store_pair(uint16_t* to, Vec first, Vec second) {
    uint16_t low[lanes], high[lanes];
    BFloat16::store(low, first);
    BFloat16::store(high, second);
    for (int i = 0; i < lanes; ++i) {
      to[2 * i] = low[i];
      to[2 * i + 1] = high[i];
    }
  }
  template <int vectors>
  static void load_row(const uint16_t* from, Vec (&row)[vectors]) {
    static_assert(vectors % 2 == 0);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v += 2) {
      const IntVec words = *reinterpret_cast<const LooseIntVec*>(from + v * lanes);
      row[v] = as_float(words << 16);
      row[v + 1] = as_float(words & splat_int(INT32_MIN >> 15));
    }
  }
};

// Pairs along the inner axis, padded with a zero where it is odd, for either kind of input.
template <class Product, class InputType>
struct PairPanel : Product {
  using Input = InputType;
  static int64_t depth(int64_t inner) { return (inner + 1) / 2; }
  static void store_tile(uint32_t* to, int64_t pitch, int64_t steps, const Vec* first, const Vec* second) {
    for (int64_t i = 0; i < steps; i += 2, to += pitch) {
      store_pairs(to, pairs_of_exact(first[i], first[i + 1]));
      store_pairs(to + lanes, pairs_of_exact(second[i], second[i + 1]));
    }
  }
};

// Calls f with the panel type for weights of a type.
template <class F>
static inline auto with_panel_of_elements(DType weight_type, F f) {
  switch (weight_type) {
    case DType::float16:
// Without an instruction for it, widening a float16 takes longer than reading four bytes.
#if defined(HEED_USE_AVX512) || defined(HEED_USE_AVX2) || defined(HEED_USE_NEON)
      return f(Panel<Float16>{});
#else
      return f(Panel<Float32>{});
#endif
    case DType::bfloat16:
      return f(Panel<BFloat16>{});
    default:
      return f(Panel<Float32>{});
  }
}

// Whether the instruction set has kernels of its own for panels of a type.
static inline bool takes_pairs(DType weight_type) {
  return has_pair_products && weight_type == DType::bfloat16;
}

// Calls f with the panel type for weights of a type and the inputs that they multiply. The type of the inputs
// does not change the layout.
template <class F>
static inline auto with_panel_type(DType weight_type, DType input_type, F f) {
  if constexpr (has_pair_products) {
    if (input_type == DType::bfloat16) return f(PairPanel<Pairs, BFloat16>{});
    return f(PairPanel<PairsByFloat, Float32>{});
  } else {
    return with_panel_of_elements(weight_type, f);
  }
}

}  // namespace heed::cpu::HEED_ISA
