// Rows of keys or values as multiples of a scale that each row has for itself. Keys of int8 may have outlier
// channels, whose numbers are divided by a factor first: core/outliers.h describes them.
#pragma once

#include "cpu/kernels/stored_rows.h"

namespace heed::cpu::HEED_ISA {

constexpr float largest_float = __FLT_MAX__, least_normal = __FLT_MIN__;

// The scale that makes `most` of the largest magnitude of a row, which is stored divided by `factor`; 0 for a
// row of zeros. Where float32 is coarse, it is rounded so that `most` neither falls short of the magnitude
// (subnormal scales) nor becomes infinite.
static inline float scale_of(float largest, float factor, float most) {
  const float scale = largest / most;
  const auto bits = __builtin_bit_cast(uint32_t, scale);
  if (double{most} * double{scale} * double{factor} > double{largest_float})
    return __builtin_bit_cast(float, bits - 1);
  if (scale < least_normal && double{most} * double{scale} < double{largest})
    return __builtin_bit_cast(float, bits + 1);
  return scale;
}

// Writes the nearest multiples of a row's scale, and returns the scale. share_of(d) is what channel d is
// multiplied by first, a power of two. A row with a non-finite number gets the scale NaN, so all of it reads
// as NaN.
template <class From, class To, class ShareOf>
static inline float quantise_row(const typename From::Element* from, int64_t width, ShareOf share_of,
                                 typename To::Element* to) {
  float largest = 0, share = 1, poison = 0;
  for (int64_t d = 0; d < width; ++d) {
    const float x = From::get(from[d]), magnitude = __builtin_fabsf(x) * share_of(d);
    if (magnitude > largest) {
      largest = magnitude;
      share = share_of(d);
    }
    poison += x * 0.0f;
  }
  const float scale = poison == 0.0f ? scale_of(largest, 1 / share, To::most) : __builtin_nanf("");
  const bool nothing = !(scale > 0);
  for (int64_t d = 0; d < width; ++d) {
    const float multiple = nothing ? 0 : From::get(from[d]) * share_of(d) / scale;
    to[d] = To::put(multiple);
  }
  return scale;
}

// The channels of a head of keys: how often each was found to be an outlier, and what it is multiplied by
// before it is stored.
struct KeyChannels {
  int64_t width;
  bool any = false;  // whether any is an outlier
  uint8_t level[most_outlier_width];
  float share[most_outlier_width];

  void set(int64_t channel, int64_t to) {
    level[channel] = static_cast<uint8_t>(to);
    share[channel] = 1 / outlier_factors[to];
    any |= to > 0;
  }
};

// A channel stays an outlier if some row of the block before has made so much of it: twice and 24 times what
// others can reach.
constexpr int32_t needed_for_level[] = {0, 2 * 127, 24 * 127};

// The levels that a full block hands on to the next one. `last` is its last row.
static inline void inherit_levels(const Run& last, int64_t step_stride, KeyChannels& channels) {
  OutlierRow at = last.outliers;
  for (int64_t d = 0; d < channels.width; ++d) {
    int64_t level = level_of_channel(last.outliers, d);
    int32_t most = 0;
    for (at.row = 0; level > 0 && at.row <= last.outliers.row; ++at.row) {
      const int32_t multiple = last.as<Int8>()[(at.row - last.outliers.row) * step_stride + d];
      const auto factor = static_cast<int32_t>(outlier_factors[level_of_channel(at, d)]);
      const int32_t magnitude = (multiple < 0 ? -multiple : multiple) * factor;
      if (magnitude > most) most = magnitude;
    }
    while (level > 0 && most < needed_for_level[level]) --level;
    channels.set(d, level);
  }
}

// Loads the channels as they are before a row of a block. Anything that is known of this row and those behind
// it is left over from steps that were removed.
static inline void load_channels(const AppendedRows& rows, int64_t step, const OutlierRow& at,
                                 KeyChannels& channels) {
  channels.width = rows.width;
  if (at.row == 0 && step > 0) {
    const Run last = run_of_pages(*rows.to.pages, 1, rows.to.head_stride, rows.to.step_stride, rows.to_entry,
                                  rows.head, step - 1, 1);
    inherit_levels(last, rows.to.step_stride, channels);
  } else {
    const OutlierRow before{at.outliers, at.pitch, at.row - 1};
    for (int64_t d = 0; d < rows.width; ++d) channels.set(d, at.row == 0 ? 0 : level_of_channel(before, d));
  }
  for (int64_t level = 1; level <= outlier_levels; ++level) {
    for (int64_t d = 0; d < at.pitch; ++d) {
      uint8_t* from = at.level(level) + d;
      if (at.row == 0) {
        set_outlier_from(from, d < rows.width && channels.level[d] >= level ? 0 : never_outlier);
      } else if (outlier_from(from) >= at.row) {
        set_outlier_from(from, never_outlier);
      }
    }
  }
}

static inline int32_t magnitude_of(int8_t multiple) {
  return multiple < 0 ? -multiple : multiple;
}

// A channel stands out if it is this many times as large as the channels of its row are on average.
constexpr int32_t outstanding = 10;

// Adds the outliers of a row, and returns whether there are any new ones.
static inline bool add_outliers(const int8_t* multiples, const OutlierRow& at, KeyChannels& channels) {
  const auto width = static_cast<int32_t>(channels.width);
  int32_t sum = 0, most = 0;
  for (int32_t d = 0; d < width; ++d) {
    const int32_t magnitude = magnitude_of(multiples[d]);
    sum += magnitude;
    most = magnitude > most ? magnitude : most;
  }
  if (most * width <= outstanding * sum) return false;
  bool added = false;
  for (int32_t d = 0; d < width; ++d) {
    const int64_t level = channels.level[d];
    if (level == outlier_levels || magnitude_of(multiples[d]) * width <= outstanding * sum) continue;
    channels.set(d, level + 1);
    set_outlier_from(at.level(level + 1) + d, at.row);
    added = true;
  }
  return added;
}

// Multiples of outliers that would read as infinite become the largest that do not.
static inline void keep_finite(float scale, const KeyChannels& channels, int8_t* multiples) {
  if (!(127.0 * double{scale} * double{outlier_factors[outlier_levels]} > double{largest_float})) return;
  for (int64_t d = 0; d < channels.width; ++d) {
    const double unit = double{scale} * double{outlier_factors[channels.level[d]]};
    if (!(127.0 * unit > double{largest_float})) continue;
    const auto most = static_cast<int8_t>(double{largest_float} / unit);
    multiples[d] = multiples[d] > most    ? most
                   : multiples[d] < -most ? static_cast<int8_t>(-most)
                                          : multiples[d];
  }
}

// Quantises keys that may have outliers, row by row: `from_row(i)` gives row i of the run.
template <class From, class FromRow>
static inline void quantise_keys(const AppendedRows& rows, int64_t step, const Run& run, FromRow from_row) {
  KeyChannels channels;
  load_channels(rows, step, run.outliers, channels);
  OutlierRow at = run.outliers;
  auto* to = static_cast<int8_t*>(run.rows);
  for (int64_t i = 0; i < run.count; ++i, ++at.row, to += rows.to.step_stride) {
    do {
      const auto share_of = [&](int64_t d) { return channels.share[d]; };
      const auto all = [](int64_t) { return 1.0f; };
      run.scales[i] = channels.any ? quantise_row<From, Int8>(from_row(i), rows.width, share_of, to)
                                   : quantise_row<From, Int8>(from_row(i), rows.width, all, to);
      keep_finite(run.scales[i], channels, to);
      // Subnormal numbers would lose what a division takes from them.
    } while (run.scales[i] >= least_normal && add_outliers(to, at, channels));
  }
}

}  // namespace heed::cpu::HEED_ISA
