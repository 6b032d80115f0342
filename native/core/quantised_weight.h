// A weight [columns, inner] of int8 or int4: whole numbers, and float32 scales that these are multiples of.
// The native counterpart of lib/problem/quantised-weight.ts.
#pragma once

#include <cstdint>

namespace heed {

struct QuantisedWeight {
  enum class Type : uint8_t { int8, int4 };
  Type type;
  int64_t columns, inner;
  // Consecutive elements of a row that share a scale; the last group may be shorter. For int8 all of them
  // share one; for int4 a multiple of 8.
  int64_t group_size;
  // int8: [columns, inner], the multiples. int4: [columns, ⌈inner / 2⌉], two codes a byte, that of the even
  // element in the lower half: the multiple is int4_levels[code].
  const uint8_t* values;
  const float* scales;  // [columns, groups], of either sign

  int64_t groups() const { return inner / group_size + (inner % group_size != 0); }
};

constexpr int8_t int4_levels[16] = {-127, -100, -79, -62, -47, -34, -22, -11, 0, 12, 24, 36, 50, 65, 83, 106};
constexpr uint8_t int4_zero = 8;  // the code of level 0

}  // namespace heed
