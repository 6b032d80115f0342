// Storage types for tests, implemented independently of the kernels': values lie on a grid that each type
// represents exactly, so inputs need no rounding.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "core/dtype.h"

namespace heed::test {

inline double read(const void* data, DType type, int64_t index) {
  if (type == DType::float32) return static_cast<const float*>(data)[index];
  if (type == DType::boolean) return static_cast<const uint8_t*>(data)[index];
  const uint16_t bits = static_cast<const uint16_t*>(data)[index];
  if (type == DType::bfloat16) {
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
  }
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  // Calling ldexp for each element would take a sixth of the time of the tests.
  constexpr double least = 0x1p-24;
  if (exponent == 0) return sign * fraction * least;
  return sign * (1024 + fraction) * (least * static_cast<double>(uint32_t{1} << (exponent - 1)));
}

// Rounds towards zero to the type's precision, which suffices for inputs.
inline void write(void* data, DType type, int64_t index, double value) {
  const float narrow = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  switch (type) {
    case DType::float32:
      static_cast<float*>(data)[index] = narrow;
      return;
    case DType::boolean:
      static_cast<uint8_t*>(data)[index] = value != 0;
      return;
    case DType::int8:
      static_cast<int8_t*>(data)[index] = static_cast<int8_t>(value);
      return;
    case DType::float8:
      throw std::invalid_argument("Only caches have numbers of float8");
    case DType::bfloat16:
      static_cast<uint16_t*>(data)[index] =
          static_cast<uint16_t>(bits >> 16 | (std::isnan(narrow) ? 0x40 : 0));
      return;
    case DType::float16: {
      const uint16_t sign = bits >> 16 & 0x8000;
      const int exponent = static_cast<int>(bits >> 23 & 255) - 127 + 15;
      uint16_t half = sign;
      if (std::isnan(narrow)) {
        half |= 0x7e00;
      } else if (exponent >= 31) {
        half |= 0x7c00;
      } else if (exponent > 0) {
        half |= static_cast<uint16_t>(exponent << 10 | (bits >> 13 & 1023));
      }
      static_cast<uint16_t*>(data)[index] = half;
      return;
    }
  }
}

// The nearest number of a type to x; in a tie, the one whose last bit is 0.
inline double rounded(DType type, double x) {
  if (x == 0) return x;
  const int precision = type == DType::float16 ? 11 : type == DType::bfloat16 ? 8 : 24;
  int exponent;
  std::frexp(x, &exponent);
  if (type == DType::float16) exponent = std::max(exponent, -13);
  return std::ldexp(std::nearbyint(std::ldexp(x, precision - exponent)), exponent - precision);
}

// A tensor of one type, read and written as doubles. Initially poisoned: every float element is NaN.
class Buffer {
 public:
  Buffer(DType type, int64_t size)
      : type_(type), bytes_(static_cast<size_t>(size) * size_of(type), 0xff), size_(size) {}
  void* data() { return bytes_.data(); }
  DType type() const { return type_; }
  int64_t size() const { return size_; }
  double operator[](int64_t index) const { return read(bytes_.data(), type_, index); }
  void set(int64_t index, double value) { write(bytes_.data(), type_, index, value); }

 private:
  DType type_;
  std::vector<uint8_t> bytes_;
  int64_t size_;
};

}  // namespace heed::test
