// Outlier channels: channels whose keys are often many times as large as those of all other channels. One
// such channel would set the scale of every int8 row and leave few multiples for the rest, so its numbers are
// stored divided by 16 or by 64, and the query is multiplied instead: q·k = Σ (c q)(k / c).
//
// A row finds its own outliers, in addition to those of the row before it, so that a decoder can append step
// by step: what is stored of a step depends on the steps before it, not on how they came. Each block of steps
// of a page has, for each channel, the row from which it is divided by 16, and the row from which it is
// divided by 64: bytes [2, pitch] for each head and block. A row that was stored never changes, and neither
// do the outliers that it was stored with: later rows only add to them. A block begins with those that the
// block before it needed.
//
// lib/problem/outliers.ts says the same.
#pragma once

#include <cstdint>

namespace heed {

constexpr int64_t outlier_block = 128;
constexpr int64_t outlier_levels = 2;
constexpr float outlier_factors[outlier_levels + 1] = {1, 16, 64};
// The row of a block from which a channel is an outlier, where it never is.
constexpr uint8_t never_outlier = 255;

// Narrower rows have too few channels for one to stand out; wider ones do without.
constexpr int64_t least_outlier_width = 16, most_outlier_width = 1024;

constexpr int64_t outlier_pitch(int64_t width) {
  return (width + 15) / 16 * 16;
}

// Of the first steps of one head of a page.
constexpr int64_t outlier_bytes(int64_t width, int64_t steps) {
  return (steps + outlier_block - 1) / outlier_block * outlier_levels * outlier_pitch(width);
}

}  // namespace heed
