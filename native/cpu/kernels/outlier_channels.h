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

// The factors of the keys read last. Keys read next mostly have the same outliers, those of other pages too,
// so that a query multiplied by the factors serves again.
class KeptFactors {
 public:
  // Whether the factors are those of a row.
  bool hold_for(const OutlierRow& at) const {
    if (at.row < first_ || at.row >= end_) return false;
    uint64_t difference = 0;
    for (int64_t i = 0; i < outlier_levels * at.pitch; i += 8)
      difference |= outliers_of_eight(at.outliers + i) ^ outliers_of_eight(outliers_ + i);
    return difference == 0;
  }

  void load(const OutlierRow& at) {
    uint64_t never = ~uint64_t{0};
    for (int64_t i = 0; i < outlier_levels * at.pitch; i += 8) {
      const uint64_t eight = outliers_of_eight(at.outliers + i);
      __builtin_memcpy(outliers_ + i, &eight, sizeof eight);
      never &= eight;
    }
    any_ = never != ~uint64_t{0};
    first_ = any_ ? at.row : 0;
    end_ = any_ ? at.row + load_factors({outliers_, at.pitch, at.row}, factors_) : outlier_block;
  }

  // Null where all are 1.
  const float* factors() const { return any_ ? factors_.of : nullptr; }
  // The end of the rows of a block that they hold for.
  int64_t end() const { return end_; }

 private:
  ChannelFactors factors_;
  alignas(16) uint8_t outliers_[outlier_levels * most_outlier_width];  // [levels, pitch], of the last block
  int64_t first_ = 0, end_ = 0;                                        // none yet
  bool any_ = false;
};

}  // namespace heed::cpu::HEED_ISA
