// What choosing a token takes of whole rows of logits. Only the few logits that could be chosen are computed
// with in float64, so that every instruction set, and the reference, chooses the same token.
#include "cpu/kernels/draws.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/math.h"

namespace heed::cpu::HEED_ISA {

static_assert(logits_per_chunk % lanes == 0);

void largest_of_chunks(const float* logits, int64_t count, float* largest) {
  for (int64_t first = 0; first < count; first += logits_per_chunk) {
    const int64_t end = first + logits_per_chunk < count ? first + logits_per_chunk : count;
    Vec most = splat(-infinity);
    IntVec wrong{};
    int64_t i = first;
    for (; i + lanes <= end; i += lanes) {
      const Vec x = load(logits + i);
      wrong |= x != x;
      most = maximum(most, x);
    }
    // The bits of −1 are NaN.
    const Vec marked = wrong ? as_float(wrong) : most;
    float all = reduce(marked, [](Vec a, Vec b) { return a != a ? a : maximum(a, b); });
    for (; i < end; ++i) {
      if (!(logits[i] <= all) && all == all) all = logits[i];
    }
    largest[first / logits_per_chunk] = all;
  }
}

void bin_weights(const float* logits, int64_t count, float highest, double temperature, float top,
                 float per_unit, double* bins) {
  const auto scale = static_cast<float>(static_cast<double>(log2_e) / temperature);
  for (int64_t first = 0; first < count; first += lanes) {
    const int64_t left = count - first, used = left < lanes ? left : lanes;
    Vec x = splat(-infinity);
    if (used == lanes) {
      x = load(logits + first);
    } else {
      for (int lane = 0; lane < used; ++lane) x[lane] = logits[first + lane];
    }
    const Vec power = (x - splat(highest)) * splat(scale), depth = (splat(top) - x) * splat(per_unit);
    const Vec weights = exp2(power > splat(-150.0f) ? power : splat(-150.0f));
    constexpr auto last = static_cast<float>(weight_bins);
    const IntVec places = __builtin_convertvector(depth < splat(last) ? depth : splat(last), IntVec);
    for (int lane = 0; lane < used; ++lane) bins[places[lane]] += static_cast<double>(weights[lane]);
  }
}

// The score of a logit and its noise, as the reference computes them.
static inline double score_of(const DrawnLogits& drawn, float logit) {
  return (static_cast<double>(logit) - static_cast<double>(drawn.highest)) / drawn.temperature;
}
static inline double exact_noise(const Stream& stream, uint32_t index) {
  const uint32_t bits = mixed<uint32_t>(mixed<uint32_t>(index + stream.first) ^ stream.second);
  return -__builtin_log(-__builtin_log1p(-(static_cast<double>(bits) + 0.5) / 0x1p32));
}

// At least the largest sum of a score and its noise in a chunk, but for rounding. For t = (bits + ½) / 2³²,
// the noise −ln(−ln(1 − t)) is at most −ln t, and that at most −ln 2 · ⌊log2 t⌋.
static inline float bound_of_chunk(const DrawnLogits& drawn, const Stream& stream, UintVec indices,
                                   const float* logits, float scale) {
  Vec most = splat(-infinity);
#pragma GCC unroll 2
  for (int64_t i = 0; i < logits_per_chunk; i += lanes) {
    const UintVec bits = mixed<UintVec>(mixed<UintVec>(indices + stream.first) ^ stream.second);
    // Of ⌊bits / 2⁸⌋, so that the conversion is exact and never up to the next power of two. Zero has the
    // exponent of a tiny number, which bounds as well.
    const Vec high = __builtin_convertvector(reinterpret_cast<IntVec>(bits >> 8), Vec);
    const Vec exponent = __builtin_convertvector(as_int(high) >> 23, Vec);
    const Vec noise = (splat(151.0f) - exponent) * splat(ln_2);
    most = maximum(most, multiply_add(load(logits + i) - splat(drawn.highest), splat(scale), noise));
    indices += static_cast<uint32_t>(lanes);
  }
  return horizontal_maximum(most);
}

int64_t draw_logit(const DrawnLogits& drawn) {
  const Stream stream = stream_of_logits(drawn.seed);
  const auto scale = static_cast<float>(1 / drawn.temperature);
  UintVec lane_numbers{};
  for (int lane = 0; lane < lanes; ++lane) lane_numbers[lane] = static_cast<uint32_t>(lane);
  constexpr float rounding = 1e-3f;  // far more than that of the bound, for scores that can win
  double best = -__builtin_inf();
  int64_t choice = -1;
  for (int64_t first = 0; first < drawn.count; first += logits_per_chunk) {
    const float largest = drawn.largest[first / logits_per_chunk];
    if (!(largest >= drawn.floor) || largest == -infinity) continue;
    const int64_t left = drawn.count - first, count = left < logits_per_chunk ? left : logits_per_chunk;
    const auto start = static_cast<uint32_t>(first);
    if (count == logits_per_chunk &&
        static_cast<double>(bound_of_chunk(drawn, stream, lane_numbers + start, drawn.logits + first, scale) +
                            rounding) < best)
      continue;
    for (int64_t i = first; i < first + count; ++i) {
      const float logit = drawn.logits[i];
      const bool kept = logit > drawn.floor || (logit == drawn.floor && i <= drawn.last_at_floor);
      if (!kept || logit == -infinity) continue;
      const double score = score_of(drawn, logit);
      if (!(score >= drawn.least)) continue;
      const double sum = score + exact_noise(stream, static_cast<uint32_t>(i));
      if (sum > best) {
        best = sum;
        choice = i;
      }
    }
  }
  return choice;
}

}  // namespace heed::cpu::HEED_ISA
