// Element types of packed weights: those of storage.h, in the order that the matrix kernel reads fastest.
#pragma once

#include "cpu/kernels/storage.h"
#include "cpu/kernels/tiles.h"

namespace heed::cpu::HEED_ISA {

// Rows of an even number of vectors, written and read two at a time.
template <class Type>
struct Panel : Type {
  static void store_pair(typename Type::Element* to, Vec first, Vec second) {
    Type::store(to, first);
    Type::store(to + lanes, second);
  }
};

// Two vectors share one vector of 32-bit words, the first in the low halves: a shift and a mask widen both.
template <>
struct Panel<BFloat16> {
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

// Calls f with the panel type for weights of a type.
template <class F>
static inline auto with_panel_type(DType weight_type, F f) {
  switch (weight_type) {
    case DType::float16:
// Without F16C, widening a float16 takes longer than reading four bytes.
#if defined(HEED_USE_AVX512) || defined(HEED_USE_AVX2)
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

}  // namespace heed::cpu::HEED_ISA
