// The random numbers that determine a schedule.
#pragma once

#include <bit>
#include <cstdint>

namespace heed::emulator {

class ScheduleRandom {
 public:
  explicit ScheduleRandom(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u) {}
  // xorshift64*
  uint32_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<uint32_t>(state_ * 0x2545f4914f6cdd1du >> 32);
  }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(uint64_t{next()} * limit >> 32); }
  // One of the set bits.
  uint32_t bit_of(uint32_t mask) {
    const uint32_t turn = next() % 32;
    return (static_cast<uint32_t>(std::countr_zero(std::rotr(mask, static_cast<int>(turn)))) + turn) % 32;
  }

 private:
  uint64_t state_;
};

}  // namespace heed::emulator
