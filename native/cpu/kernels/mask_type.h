// Converts mask elements to numbers that are added to scores.
#pragma once

#include "cpu/kernels/math.h"
#include "cpu/kernels/storage.h"

namespace heed::cpu::HEED_ISA {

struct Bool {
  using Element = uint8_t;
  static float get(uint8_t keep) { return keep ? 0.0f : -infinity; }
  static Vec load(const uint8_t* from) {
    typedef uint8_t Bytes __attribute__((vector_size(lanes)));
    Bytes bytes;
    __builtin_memcpy(&bytes, from, sizeof bytes);
    return __builtin_convertvector(bytes, IntVec) == 0 ? splat(-infinity) : Vec{};
  }
};

template <class F>
static inline auto with_mask_type(DType type, F f) {
  if (type == DType::boolean) return f(Bool{});
  return with_type(type, f);
}

// s + bias · unit, or −∞ where the bias is −∞: the NaN of an excluded key must not survive. The lowest finite
// numbers exclude no key, so they stay finite in log2 units.
static inline Vec biased(Vec score, Vec bias, float unit) {
  const Vec scaled = bias * unit;
  const Vec finite = scaled == splat(-infinity) ? splat(-__FLT_MAX__) : scaled;
  return bias == splat(-infinity) ? bias : score + finite;
}

}  // namespace heed::cpu::HEED_ISA
