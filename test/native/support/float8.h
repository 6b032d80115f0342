// E4M3 by its definition (Micikevicius et al. 2022, "FP8 Formats for Deep Learning"), to compare with.
#pragma once

#include <cmath>
#include <cstdint>

namespace heed::test {

constexpr uint8_t largest_float8 = 0x7e;

inline double float8_number(uint8_t code) {
  const int exponent = code / 8 % 16, fraction = code % 8;
  const double sign = code < 128 ? 1 : -1;
  if (exponent == 15 && fraction == 7) return NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, -9);
  return sign * std::ldexp(8 + fraction, exponent - 10);
}

// The code of the number that is nearest to x; in a tie, the even one.
inline uint8_t nearest_float8(double x) {
  const double magnitude = std::fabs(x);
  int above = 0;
  while (above < largest_float8 && float8_number(static_cast<uint8_t>(above)) < magnitude) ++above;
  if (above > 0) {
    const double under = magnitude - float8_number(static_cast<uint8_t>(above - 1)),
                 over = float8_number(static_cast<uint8_t>(above)) - magnitude;
    if (under < over || (under == over && above % 2 == 1)) --above;
  }
  return static_cast<uint8_t>(above | (std::signbit(x) ? 0x80 : 0));
}

}  // namespace heed::test
