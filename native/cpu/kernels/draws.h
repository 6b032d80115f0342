// Draws a key from the weights with the Gumbel-max trick: key j has the largest score plus noise with
// probability exp(scoreⱼ) / Σ exp. The noise of a key depends only on the seed and the indices of batch
// entry, head, query position and key, so tiles and threads do not change a draw. Because the largest of
// independent sums decides, rounding changes a draw only if the two best sums differ by no more than
// rounding. lib/backends/reference/draws.ts draws the same keys.
#pragma once

#include "cpu/kernels/math.h"
#include "cpu/kernels/rows_of_block.h"

namespace heed::cpu::HEED_ISA {

// A bijection of 32 bits without visible structure (the finalizer of splitmix32).
template <class Bits>
static inline Bits mixed(Bits bits) {
  bits = (bits ^ (bits >> 16)) * 0x21f0aaadu;
  bits = (bits ^ (bits >> 15)) * 0x735a2d97u;
  return bits ^ (bits >> 15);
}

// Identifies the random stream of a row: two words, so that no two rows share a stream.
struct Stream {
  uint32_t first, second;
};

static inline uint32_t mixed_words(uint32_t state, const uint32_t (&words)[5]) {
  for (const uint32_t word : words) state = mixed<uint32_t>((state ^ word) + 0x9e3779b9u);
  return state;
}

// Of a row of logits: no head of an attention has this number.
static inline Stream stream_of_logits(uint64_t seed) {
  const uint32_t words[5] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), 0, 0xffffffffu,
                             0};
  return {mixed_words(0x243f6a88u, words), mixed_words(0x85a308d3u, words)};
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
  // For small t, rest is a rounded 1 − t, and the rounded-off part is most of the logarithm.
  const Vec fine = coarse + (t - (splat(1) - rest)) / rest;
  const Vec exponential = t < splat(0.5f) ? fine : coarse;
  return -log(exponential) * log2_e;
}

static inline Vec noise(UintVec first, UintVec second, UintVec key) {
  return gumbel(mixed<UintVec>(mixed<UintVec>(key + first) ^ second));
}

// A sink participates as a key with a number that no sequence has.
constexpr uint32_t sink_key = 0xffffffffu;

static inline float noise_of(const Stream& stream, uint32_t key) {
  return noise(UintVec{} + stream.first, UintVec{} + stream.second, UintVec{} + key)[0];
}

}  // namespace heed::cpu::HEED_ISA
