// Tests the wrappers of AVX512-BF16's instructions, and their plain bodies, against the pseudo-code of
// Intel's manual, written here one number at a time.
#if defined(HEED_HAVE_AVX512BF16)

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "cpu/backend.h"
#include "support/random.h"
#include "wrappers/avx512bf16/pair_product.h"

namespace heed::test {

namespace {

namespace wrapped = cpu::avx512bf16;

constexpr int lanes = wrapped::vector_lanes;
constexpr float smallest_normal = std::numeric_limits<float>::min();

// Any bits: ordinary numbers, and now and then ∞, NaN, zeros, and what is not normal.
uint16_t any_bfloat16(Random& random) {
  if (random.chance(0.8))
    return static_cast<uint16_t>(random.integer(0x3e00, 0x4200) | random.integer(0, 1) << 15);
  const auto sign = static_cast<uint16_t>(random.integer(0, 1) << 15);
  const auto bits = random.pick<int64_t>(
      {0, 1, 0x7f, 0x80, 0x81, 0x7f7f, 0x7f80, 0x7f81, 0x7fc0, random.integer(0, 0x7fff)});
  return static_cast<uint16_t>(sign | bits);
}

float any_float(Random& random) {
  const auto low = static_cast<uint32_t>(
      random.pick<int64_t>({0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, random.integer(0, 0xffff)}));
  return std::bit_cast<float>(static_cast<uint32_t>(any_bfloat16(random)) << 16 | low);
}

uint32_t any_pair(Random& random) {
  return static_cast<uint32_t>(any_bfloat16(random)) << 16 | any_bfloat16(random);
}

float flushed(float x) {
  return std::fabs(x) < smallest_normal ? std::copysign(0.0f, x) : x;
}

float widened(uint32_t bits) {
  return flushed(std::bit_cast<float>(bits << 16));
}

float product(uint32_t a, uint32_t b, float sum) {
  sum = flushed(std::fma(widened(a >> 16), widened(b >> 16), flushed(sum)));
  return flushed(std::fma(widened(a & 0xffff), widened(b & 0xffff), sum));
}

uint32_t rounded(float x) {
  const auto bits = std::bit_cast<uint32_t>(flushed(x));
  if (std::isnan(x)) return bits >> 16 | 0x40;
  if (std::isinf(x)) return bits >> 16;
  const uint32_t rest = bits & 0xffff, kept = bits >> 16;
  return kept + (rest > 0x8000 || (rest == 0x8000 && kept % 2 == 1) ? 1 : 0);
}

// Which NaN an operation returns is left open.
bool is_same(float a, float b) {
  return std::isnan(a) ? std::isnan(b) : std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

}  // namespace

TEST_CASE("pairs of bfloat16 are multiplied and rounded as the instructions do") {
  const auto sets = cpu::available_instruction_sets();
  if (std::find(sets.begin(), sets.end(), cpu::InstructionSet::avx512bf16) == sets.end()) return;
  Random random(8'000'000);
  int64_t wrong = 0;
  for (int repetition = 0; repetition < 20'000; ++repetition) {
    uint32_t a[lanes], b[lanes], pairs[lanes], plain_pairs[lanes];
    float sum[lanes], first[lanes], second[lanes], result[lanes], plain[lanes];
    for (int i = 0; i < lanes; ++i) {
      a[i] = any_pair(random);
      b[i] = any_pair(random);
      sum[i] = any_float(random);
      first[i] = any_float(random);
      second[i] = any_float(random);
    }
    wrapped::pair_products(a, b, sum, result, plain);
    wrapped::rounded_pairs(first, second, pairs, plain_pairs);
    for (int i = 0; i < lanes; ++i) {
      const float expected = product(a[i], b[i], sum[i]);
      const uint32_t pair = rounded(first[i]) | rounded(second[i]) << 16;
      const bool right = is_same(result[i], expected) && is_same(plain[i], expected) && pairs[i] == pair &&
                         plain_pairs[i] == pair;
      if (right || ++wrong > 3) continue;
      CAPTURE(a[i]);
      CAPTURE(b[i]);
      CAPTURE(sum[i]);
      CAPTURE(result[i]);
      CAPTURE(plain[i]);
      CAPTURE(expected);
      CHECK(pairs[i] == pair);
      CHECK(plain_pairs[i] == pair);
      CHECK(right);
    }
  }
  CHECK(wrong == 0);
}

}  // namespace heed::test

#endif
