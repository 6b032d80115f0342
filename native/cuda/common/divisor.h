// Division of 31-bit numbers by a number that the host knows: one multiplication and two shifts, where a GPU
// divides in about 20 instructions.
#pragma once

#include <bit>
#include <cstdint>

#include "cuda/device/target.cuh"

namespace heed::cuda {

// Granlund & Montgomery, "Division by invariant integers using multiplication", 1994. The factor is
// 2^(31 + shift) / value, rounded up, for the least shift at which 2^shift is not below the value: its error
// is below 2^shift, so that quotients of numbers below 2^31 are exact.
class Divisor {
 public:
  Divisor() = default;
  // From 1 to 2^31 − 1.
  explicit Divisor(uint32_t value)
      : value_(value),
        shift_(static_cast<uint32_t>(std::bit_width(value - 1))),
        factor_(static_cast<uint32_t>(((uint64_t{1} << (31 + shift_)) + value - 1) / value)) {}

  __host__ __device__ __forceinline__ uint32_t value() const { return value_; }

  // Of a number below 2^31.
  __host__ __device__ __forceinline__ uint32_t quotient(uint32_t number) const {
    return static_cast<uint32_t>(uint64_t{2 * number} * factor_ >> 32) >> shift_;
  }

 private:
  uint32_t value_ = 1, shift_ = 0, factor_ = uint32_t{1} << 31;
};

}  // namespace heed::cuda
