// Reads what blocks of int8 keys say of their outlier channels: core/outliers.h describes them.
#pragma once

#include "core/outliers.h"
#include "cpu/kernels/storage.h"

namespace heed::cpu::HEED_ISA {

// Where a block's outliers stand, and a row of the block. Null for keys without any record of outliers.
struct OutlierRow {
  uint8_t* outliers;  // [levels, pitch]
  int64_t pitch;
  int64_t row;

  uint8_t* level(int64_t level) const { return outliers + (level - 1) * pitch; }
};

// A later row may be appended while earlier ones are read: it adds outliers that do not concern these, so it
// does not matter which of the two is read, but it has to be one of them.
static inline uint64_t outliers_of_eight(const uint8_t* channels) {
  return __atomic_load_n(reinterpret_cast<const uint64_t*>(channels), __ATOMIC_RELAXED);
}
static inline uint8_t outlier_from(const uint8_t* channel) {
  return __atomic_load_n(channel, __ATOMIC_RELAXED);
}
static inline void set_outlier_from(uint8_t* channel, int64_t row) {
  __atomic_store_n(channel, static_cast<uint8_t>(row), __ATOMIC_RELAXED);
}

static inline int64_t level_of_channel(const OutlierRow& at, int64_t channel) {
  int64_t level = 0;
  for (int64_t next = 1; next <= outlier_levels; ++next)
    level += at.row >= outlier_from(at.level(next) + channel);
  return level;
}

static inline bool has_outliers(const OutlierRow& at) {
  uint64_t never = ~uint64_t{0};
  for (int64_t d = 0; d < at.pitch; d += 16) {
    for (int64_t level = 1; level <= outlier_levels; ++level)
      never &= outliers_of_eight(at.level(level) + d) & outliers_of_eight(at.level(level) + d + 8);
  }
  return never != ~uint64_t{0};
}

// What the numbers of each channel are to be multiplied by.
struct ChannelFactors {
  alignas(64) float of[most_outlier_width];
};

// Sixteen channels at a time, in bytes as long as possible.
typedef uint8_t SixteenBytes __attribute__((vector_size(16)));

static inline SixteenBytes outliers_of_sixteen(const uint8_t* channels) {
  const uint64_t halves[] = {outliers_of_eight(channels), outliers_of_eight(channels + 8)};
  return __builtin_bit_cast(SixteenBytes, halves);
}

// Loads the factors of a row. Returns for how many rows of the block, this one included, they are the same.
static inline int64_t load_factors(const OutlierRow& at, ChannelFactors& factors) {
  static_assert(outlier_levels == 2 && outlier_factors[1] == 1 << 4 && outlier_factors[2] == 1 << 6);
  typedef uint8_t Bytes __attribute__((vector_size(lanes)));
  const auto row = static_cast<uint8_t>(at.row);
  SixteenBytes next = SixteenBytes{} + never_outlier;
  for (int64_t d = 0; d < at.pitch; d += 16) {
    const SixteenBytes first = outliers_of_sixteen(at.level(1) + d),
                       second = outliers_of_sixteen(at.level(2) + d);
    const SixteenBytes next_first = first > row ? first : next, next_second = second > row ? second : next;
    next = next_first < next ? next_first : next;
    next = next_second < next ? next_second : next;
    const SixteenBytes power =
        second > row ? (first > row ? SixteenBytes{} : SixteenBytes{} + 4) : SixteenBytes{} + 6;
    for (int i = 0; i < 16; i += lanes) {
      Bytes powers;
      __builtin_memcpy(&powers, reinterpret_cast<const char*>(&power) + i, sizeof powers);
      const IntVec exponents = __builtin_convertvector(powers, IntVec) + 127;
      store(factors.of + d + i, as_float(exponents << 23));
    }
  }
  uint8_t first = never_outlier;
  for (int i = 0; i < 16; ++i) first = next[i] < first ? next[i] : first;
  return first - at.row;
}

}  // namespace heed::cpu::HEED_ISA
