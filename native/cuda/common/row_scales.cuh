// What belongs to rows of scaled types in the pages of a cache: the scale of each, and what a block of keys
// of int8 says of outlier channels (core/outliers.h).
#pragma once

#include <cstdint>

#include "core/outliers.h"
#include "cuda/common/device_pages.h"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

// By what the numbers of a channel of a level are divided.
__device__ __forceinline__ float outlier_factor(int level) {
  constexpr float first = outlier_factors[1], second = outlier_factors[2];
  return level == 0 ? 1 : level == 1 ? first : second;
}

// The outlier channels of a row.
struct RowOutliers {
  const uint8_t* levels = nullptr;  // [levels, pitch] of its block, or null if none are recorded
  int32_t pitch = 0, row = 0;

  // What the numbers of four channels from `channel` on, a multiple of 4, are to be multiplied by. False if
  // none of them is an outlier anywhere in the block; there are none past the pitch.
  __device__ __forceinline__ bool factors(int32_t channel, float (&of)[4]) const {
    static_assert(outlier_levels == 2);
    if (levels == nullptr || channel >= pitch) return false;
    const auto words = reinterpret_cast<const uint32_t*>(levels + channel);
    const uint32_t first = thread::load_global<1>(words)[0],
                   second = thread::load_global<1>(words + pitch / 4)[0];
    constexpr uint32_t never = never_outlier * 0x01010101u;
    if (first == never && second == never) return false;
#pragma unroll
    for (int i = 0; i < 4; ++i)
      of[i] = outlier_factor((row >= static_cast<int32_t>(first >> 8 * i & 0xff)) +
                             (row >= static_cast<int32_t>(second >> 8 * i & 0xff)));
    return true;
  }
};

// The scale of a value, as what its elements and what its weights are multiplied by. A scale that marks
// a row as not finite multiplies elements, because special_values.cuh keeps those from rows that do not
// attend them.
template <class T>
struct ValueScale {
  static constexpr bool keeps_elements = true;  // as long as they are finite
  float element, weight;
  __device__ __forceinline__ explicit ValueScale(float scale) : element(1), weight(scale) {
    if (!(scale - scale == 0)) element = scale, weight = 1;
  }
};
// float16 has no room for small weights times small scales, so that elements are multiplied, and rounded, as
// far as they stay finite.
template <>
struct ValueScale<Float16> {
  static constexpr bool keeps_elements = false;
  float element, weight;
  __device__ __forceinline__ explicit ValueScale(float scale) : element(scale), weight(1) {
    if (scale > most && scale - scale == 0) element = most, weight = scale / most;
  }

 private:
  static constexpr float most = 128;  // 448 times as much is finite; a power of two
};

// That of a key: its elements are exact in every type.
template <class T>
struct KeyScale {
  static constexpr bool keeps_elements = true;
  float element = 1, weight;
  __device__ __forceinline__ explicit KeyScale(float scale) : weight(scale) {}
};

// The scales of one batch entry and key head, from `start` on.
class RowScales {
 public:
  __device__ __forceinline__ RowScales(const PagesOnDevice& pages, int64_t batch, int64_t head, int64_t start)
      : pages_(pages),
        first_(pages.scales == nullptr ? 0 : pages.first[batch]),
        head_(head),
        start_(static_cast<int32_t>(start)) {}

  // Whether rows have scales; otherwise, nothing else may be asked for.
  __device__ __forceinline__ bool exist() const { return pages_.scales != nullptr; }

  __device__ __forceinline__ const float* of(int32_t key) const {
    const Place place(*this, key);
    return pages_.scales[first_ + place.page] + head_ * pages_.divisor.value() + place.step;
  }

  __device__ __forceinline__ RowOutliers outliers(int32_t key) const {
    if (pages_.outliers == nullptr) return {};
    const Place place(*this, key);
    return {pages_.outliers[first_ + place.page] + head_ * pages_.outlier_stride +
                place.step / outlier_block * outlier_levels * pages_.outlier_pitch,
            static_cast<int32_t>(pages_.outlier_pitch), static_cast<int32_t>(place.step % outlier_block)};
  }

 private:
  struct Place {
    uint32_t page, step;
    __device__ __forceinline__ Place(const RowScales& scales, int32_t key) {
      const auto at = static_cast<uint32_t>(scales.start_ + key);
      page = scales.pages_.divisor.quotient(at);
      step = at - page * scales.pages_.divisor.value();
    }
  };

  const PagesOnDevice& pages_;
  int64_t first_, head_;
  int32_t start_;
};

}  // namespace heed::cuda
