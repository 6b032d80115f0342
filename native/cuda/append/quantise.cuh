// New steps for a cache of a scaled type, quantised to the very bits that native/cpu/kernels/quantise.h
// gives, which says what each rule is for. Divisions are those of IEEE 754, and no product is an operand of a
// sum, so that a compiler has nothing to fuse.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "core/outliers.h"
#include "cuda/append/copy.cuh"
#include "cuda/append/parameters.cuh"
#include "cuda/common/row_scales.cuh"
#include "cuda/device/float8.cuh"

namespace heed::cuda {

namespace detail {

template <class T, class F>
__device__ __forceinline__ T reduce_lanes(T x, F f) {
#pragma unroll
  for (uint32_t bits = 1; bits < warp::size; bits *= 2) x = f(x, warp::shuffle_xor(x, bits));
  return x;
}

// |x| < 2^22, to the nearest integer, ties to even.
__device__ __forceinline__ int32_t rounded(float x) {
  constexpr float magic = 12582912;  // 1.5 · 2^23
  return static_cast<int32_t>(thread::to_bits(x + magic) - 0x4b400000u);
}

// The scale that makes `most` of the largest magnitude of a row.
__device__ __forceinline__ float scale_of(float largest, float factor, float most) {
  const float scale = largest / most;
  const uint32_t bits = thread::to_bits(scale);
  if (double{most} * double{scale} * double{factor} > double{FLT_MAX}) return thread::from_bits(bits - 1);
  if (scale < FLT_MIN && double{most} * double{scale} < double{largest}) return thread::from_bits(bits + 1);
  return scale;
}

// The levels of the channels of a head of keys, in shared memory.
struct KeyLevels {
  const uint8_t* of;
  __device__ __forceinline__ int level(int64_t channel) const { return of[channel]; }
};
struct NoLevels {
  __device__ __forceinline__ int level(int64_t) const { return 0; }
};

// The scale of a row, whose largest magnitude becomes `most`; NaN if a number is not finite.
template <class From, class Levels>
__device__ __forceinline__ float row_scale(const From* from, int64_t width, Levels levels, float most) {
  const auto lane = static_cast<int64_t>(thread::lane());
  float largest = 0, factor = 1;
  auto at = static_cast<int32_t>(width);  // the first channel of the largest magnitude
  bool finite = true;
  for (int64_t d = lane; d < width; d += warp::size) {
    const float x = thread::to_float(from[d]), of_channel = outlier_factor(levels.level(d));
    const float magnitude = fabsf(x) * (1 / of_channel);
    finite &= x - x == 0;
    if (magnitude > largest) {
      largest = magnitude;
      factor = of_channel;
      at = static_cast<int32_t>(d);
    }
  }
#pragma unroll
  for (uint32_t bits = 1; bits < warp::size; bits *= 2) {
    const float other = warp::shuffle_xor(largest, bits), other_factor = warp::shuffle_xor(factor, bits);
    const int32_t other_at = warp::shuffle_xor(at, bits);
    if (other > largest || (other == largest && other_at < at)) {
      largest = other;
      factor = other_factor;
      at = other_at;
    }
  }
  return warp::any(!finite) ? thread::from_bits(0x7fc00000u) : scale_of(largest, factor, most);
}

// The warp writes the numbers of E4M3 nearest to a row's multiples of its scale, and the scale.
template <class From>
__device__ __forceinline__ void quantise_row(const From* from, int64_t width, NoLevels levels, Float8* to,
                                             float* scale_to) {
  const float scale = row_scale(from, width, levels, 448);
  if (thread::lane() == 0) *scale_to = scale;
  for (auto d = static_cast<int64_t>(thread::lane()); d < width; d += warp::size)
    to[d] = thread::from_float<Float8>(scale > 0 ? thread::to_float(from[d]) / scale : 0);
}

// What became of a row: its scale, and the sum of its multiples, by which channels stand out.
struct QuantisedRow {
  float scale;
  int32_t sum, most;
};

// The warp writes the nearest integer multiples of a row's scale, and the scale.
template <class From, class Levels>
__device__ __forceinline__ QuantisedRow quantise_row(const From* from, int64_t width, Levels levels,
                                                     int8_t* to, float* scale_to) {
  const auto lane = static_cast<int64_t>(thread::lane());
  QuantisedRow row{row_scale(from, width, levels, 127), 0, 0};
  if (lane == 0) *scale_to = row.scale;
  const bool nothing = !(row.scale > 0);
  // Multiples of outliers that would read as infinite become the largest that do not.
  constexpr float highest_factor = outlier_factors[outlier_levels];
  const bool huge = 127.0 * double{row.scale} * double{highest_factor} > double{FLT_MAX};
  for (int64_t d = lane; d < width; d += warp::size) {
    const float of_channel = outlier_factor(levels.level(d));
    const float multiple = nothing ? 0 : thread::to_float(from[d]) * (1 / of_channel) / row.scale;
    int32_t number = rounded(multiple > 127 ? 127 : multiple < -127 ? -127 : multiple);
    const double unit = double{row.scale} * double{of_channel};
    if (huge && 127.0 * unit > double{FLT_MAX}) {
      const auto most = static_cast<int32_t>(double{FLT_MAX} / unit);
      number = number > most ? most : number < -most ? -most : number;
    }
    to[d] = static_cast<int8_t>(number);
    const int32_t magnitude = number < 0 ? -number : number;
    row.sum += magnitude;
    row.most = magnitude > row.most ? magnitude : row.most;
  }
  row.sum = reduce_lanes(row.sum, [](int32_t a, int32_t b) { return a + b; });
  row.most = reduce_lanes(row.most, [](int32_t a, int32_t b) { return a > b ? a : b; });
  return row;
}

// A channel stands out if it is this many times as large as the channels of its row are on average, and stays
// an outlier if some row of the block before has made so much of it.
constexpr int32_t outstanding = 10;
__device__ __forceinline__ int32_t needed_for_level(int level) {
  return level == 1 ? 2 * 127 : 24 * 127;
}

// Calls f(channel) for those channels that a row finds to be outliers, in addition to those known.
template <class F>
__device__ __forceinline__ void each_new_outlier(const QuantisedRow& row, const int8_t* multiples,
                                                 int64_t width, KeyLevels levels, F f) {
  const auto channels = static_cast<int32_t>(width);
  // Subnormal numbers would lose what a division takes from them.
  if (!(row.scale >= FLT_MIN) || row.most * channels <= outstanding * row.sum) return;
  for (auto d = static_cast<int32_t>(thread::lane()); d < channels; d += 32) {
    const int32_t magnitude = multiples[d] < 0 ? -multiples[d] : multiples[d];
    if (levels.level(d) < outlier_levels && magnitude * channels > outstanding * row.sum) f(d);
  }
}

// Consecutive steps of a head that lie in one block of one page.
struct KeyRun {
  int8_t* rows;
  float* scales;
  uint8_t* outliers;  // [levels, pitch] of the block
  int32_t first, count;
  int64_t pitch;

  __device__ __forceinline__ KeyRun(const AppendParameters& p, int64_t entry, int64_t head, int64_t position,
                                    int64_t most)
      : pitch(p.pages.outlier_pitch) {
    const AppendedRow at(p, entry, position);
    rows = at.template elements<int8_t>(p, head);
    scales = at.scale(p, head);
    outliers = p.pages.outliers[at.page] + head * p.pages.outlier_stride +
               at.step / outlier_block * outlier_levels * pitch;
    first = static_cast<int32_t>(at.step % outlier_block);
    const int64_t of_page = p.pages.steps - at.step, of_block = outlier_block - first;
    const int64_t least = of_page < of_block ? of_page : of_block;
    count = static_cast<int32_t>(least < most ? least : most);
  }

  __device__ __forceinline__ uint8_t* level(int level) const { return outliers + (level - 1) * pitch; }
  __device__ __forceinline__ int level_of(int64_t channel, int32_t row) const {
    return (row >= level(1)[channel]) + (row >= level(2)[channel]);
  }
};

// The level that a full block, whose last row `last` is, hands on to the next one.
__device__ __forceinline__ int inherited_level(const KeyRun& last, int64_t step_stride, int64_t channel) {
  int level = last.level_of(channel, last.first);
  if (level == 0) return 0;
  int32_t most = 0;
  for (int32_t row = 0; row <= last.first; ++row) {
    const int32_t multiple = last.rows[(row - last.first) * step_stride + channel];
    const auto factor = static_cast<int32_t>(outlier_factor(last.level_of(channel, row)));
    const int32_t magnitude = (multiple < 0 ? -multiple : multiple) * factor;
    most = magnitude > most ? magnitude : most;
  }
  while (level > 0 && most < needed_for_level(level)) --level;
  return level;
}

// Loads the levels of all channels as they are before a run, and clears what is left over of steps that were
// removed.
__device__ __forceinline__ void load_levels(const AppendParameters& p, const KeyRun& run, int64_t entry,
                                            int64_t head, int64_t position, uint8_t* levels) {
  for (int64_t d = thread::index(); d < run.pitch; d += quantise_threads) {
    int level = 0;
    if (d < p.width) {
      if (run.first > 0) {
        level = run.level_of(d, run.first - 1);
      } else if (position > 0) {
        level = inherited_level(KeyRun(p, entry, head, position - 1, 1), p.to.step_stride, d);
      }
      levels[d] = static_cast<uint8_t>(level);
    }
    for (int of = 1; of <= outlier_levels; ++of) {
      uint8_t* from = run.level(of) + d;
      if (run.first == 0) {
        *from = level >= of ? 0 : never_outlier;
      } else if (*from >= run.first) {
        *from = never_outlier;
      }
    }
  }
}

}  // namespace detail

// Rows of values, and of keys without a record of outliers: a warp for each.
template <class From, class To>
__global__ void __launch_bounds__(append_threads)
    append_quantised_kernel(const __grid_constant__ AppendParameters p) {
  const int64_t index = block::index() * append_rows_per_block + warp::index();
  if (index >= p.rows * p.heads) return;
  const AppendedIndex at(p, index);
  const AppendedRow row(p, at.part.entry, at.part.position + at.step);
  detail::quantise_row(new_row<From>(p, at.part, at.head, at.step), p.width, detail::NoLevels{},
                       row.template elements<To>(p, at.head), row.scale(p, at.head));
}

// Keys whose rows find outlier channels, each in addition to those of the rows before it. A block has the new
// steps of a head. Its warps quantise as many rows at once with the channels known so far, which nearly
// always serve: if a row finds another one, that row is quantised again, and so are those behind it.
template <class From>
__global__ void __launch_bounds__(quantise_threads)
    append_quantised_keys_kernel(const __grid_constant__ AppendParameters p) {
  constexpr int32_t warps = quantise_threads / 32;
  const int64_t entry = block::index() / p.heads, head = block::index() - entry * p.heads;
  const AppendProblem::Part part = p.entries[entry].part;
  auto* finds = block::shared_memory<int32_t>();  // whether the row of a warp finds outliers
  auto* levels = reinterpret_cast<uint8_t*>(finds + warps);
  const auto warp_index = static_cast<int32_t>(warp::index());
  for (int64_t step = 0; step < part.steps;) {
    const detail::KeyRun run(p, part.entry, head, part.position + step, part.steps - step);
    detail::load_levels(p, run, part.entry, head, part.position + step, levels);
    block::sync();
    for (int32_t first = 0; first < run.count;) {
      const int32_t i = first + warp_index;
      int8_t* to = run.rows + i * p.to.step_stride;
      detail::QuantisedRow row{};
      bool found = false;
      if (i < run.count) {
        row = detail::quantise_row(new_row<From>(p, part, head, step + i), p.width, detail::KeyLevels{levels},
                                   to, run.scales + i);
        detail::each_new_outlier(row, to, p.width, {levels}, [&](int32_t) { found = true; });
        found = warp::any(found);
      }
      if (thread::lane() == 0) finds[warp_index] = found ? 1 : 0;
      block::sync();
      int32_t finder = 0;
      while (finder < warps && finds[finder] == 0) ++finder;
      if (finder == warp_index) {
        detail::each_new_outlier(row, to, p.width, {levels}, [&](int32_t d) {
          run.level(++levels[d])[d] = static_cast<uint8_t>(run.first + i);
        });
      }
      block::sync();
      first += finder;
    }
    step += run.count;
  }
}

}  // namespace heed::cuda
