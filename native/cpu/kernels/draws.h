// Drawing a key from the weights, by the Gumbel-max trick: the key whose score plus noise is largest is key j
// with probability exp(scoreⱼ) / Σ exp. The noise of a key depends on its numbers alone (the seed, batch
// entry, head, position of the query, key), so neither tiles nor threads change a draw; and since it decides
// by the largest of independent sums, rounding changes a draw only where the two best are as close as
// rounding is. lib/backends/reference/draws.ts draws the same.
#pragma once

#include "cpu/kernels/math.h"
#include "cpu/kernels/rows_of_block.h"

namespace heed::cpu::HEED_ISA {

// A bijection of 32 bits that leaves no pattern (the finalizer of splitmix32).
template <class Bits>
static inline Bits mixed(Bits bits) {
  bits = (bits ^ (bits >> 16)) * 0x21f0aaadu;
  bits = (bits ^ (bits >> 15)) * 0x735a2d97u;
  return bits ^ (bits >> 15);
}

// What tells the draws of a row from those of others: two words, so that no two rows share a stream.
struct Stream {
  uint32_t first, second;
};

static inline uint32_t mixed_words(uint32_t state, const uint32_t (&words)[5]) {
  for (const uint32_t word : words) state = mixed<uint32_t>((state ^ word) + 0x9e3779b9u);
  return state;
}

static inline Stream stream_of(const AttentionParameters& p, int64_t batch, const RowOrigin& origin) {
  const uint64_t seed = p.scoring.selection.seed;
  const uint32_t words[5] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                             static_cast<uint32_t>(batch), static_cast<uint32_t>(origin.head),
                             static_cast<uint32_t>(origin.position)};
  return {mixed_words(0x243f6a88u, words), mixed_words(0x85a308d3u, words)};
}

static inline Vec to_float(UintVec bits) {
  const Vec high = __builtin_convertvector(reinterpret_cast<IntVec>(bits >> 16), Vec);
  const Vec low = __builtin_convertvector(reinterpret_cast<IntVec>(bits & 0xffffu), Vec);
  return high * 65536.0f + (low + 0.5f);
}

// Gumbel noise in log2 units: −log2(−ln(1 − t)) for t = (bits + ½) / 2³².
static inline Vec gumbel(UintVec bits) {
  const Vec t = to_float(bits) * 0x1p-32f, rest = to_float(~bits) * 0x1p-32f;  // t + rest = 1
  const Vec coarse = -log(rest);
  // Where t is small, rest is a rounded 1 − t: what was rounded away is most of the logarithm.
  const Vec fine = coarse + (t - (splat(1) - rest)) / rest;
  const Vec exponential = t < splat(0.5f) ? fine : coarse;
  return -log(exponential) * log2_e;
}

static inline Vec noise(UintVec first, UintVec second, UintVec key) {
  return gumbel(mixed<UintVec>(mixed<UintVec>(key + first) ^ second));
}

// A sink takes part like a key that no sequence has.
constexpr uint32_t sink_key = 0xffffffffu;

static inline float noise_of(const Stream& stream, uint32_t key) {
  return noise(UintVec{} + stream.first, UintVec{} + stream.second, UintVec{} + key)[0];
}

}  // namespace heed::cpu::HEED_ISA
