// Tests the wrappers of integer instructions, and their plain bodies, one number at a time, on every
// instruction set.
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "cpu/backend.h"
#include "support/random.h"
#include "wrappers/integer_dot.h"

namespace heed::test {

namespace {

const IntegerDotWrappers& wrappers_of(cpu::InstructionSet isa) {
  switch (isa) {
#if defined(HEED_HAVE_AVX512VNNI)
    case cpu::InstructionSet::avx512bf16:  // has the kernels of avx512vnni for integers
    case cpu::InstructionSet::avx512vnni:
      return cpu::avx512vnni::integer_dot_wrappers;
#endif
#if defined(HEED_HAVE_AVX512)
    case cpu::InstructionSet::avx512:
      return cpu::avx512::integer_dot_wrappers;
#endif
#if defined(HEED_HAVE_AVXVNNI)
    case cpu::InstructionSet::avxvnni:
      return cpu::avxvnni::integer_dot_wrappers;
#endif
#if defined(HEED_HAVE_AVX2)
    case cpu::InstructionSet::avx2:
      return cpu::avx2::integer_dot_wrappers;
#endif
#if defined(HEED_HAVE_DOTPROD)
    case cpu::InstructionSet::dotprod:
      return cpu::dotprod::integer_dot_wrappers;
#endif
    default:
      return cpu::baseline::integer_dot_wrappers;
  }
}

// Any bytes, and often the extremes.
template <class T>
std::vector<T> draw(Random& random, int64_t bytes, int64_t least, int64_t most) {
  std::vector<T> drawn(static_cast<size_t>(bytes) / sizeof(T));
  for (T& each : drawn)
    each = static_cast<T>(random.chance(0.3) ? random.pick({least, most}) : random.integer(least, most));
  return drawn;
}

}  // namespace

TEST_CASE("integer instructions and their plain bodies compute the same") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    CAPTURE(cpu::name_of(isa));
    const IntegerDotWrappers& wrappers = wrappers_of(isa);
    const auto words = static_cast<size_t>(wrappers.bytes / 4);
    for (uint64_t stream = 0; stream < problems(); ++stream) {
      Random random(6'000'000 + stream);
      std::vector<int32_t> got(words), plain(words), expected(words);

      // One of the operands is never −32768, so that no sum of two products exceeds int32.
      const auto a = draw<int16_t>(random, wrappers.bytes, -32768, 32767);
      const auto b = draw<int16_t>(random, wrappers.bytes, -32767, 32767);
      for (size_t i = 0; i < words; ++i) expected[i] = a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
      wrappers.pair_sums(a.data(), b.data(), got.data(), plain.data());
      CHECK(got == expected);
      CHECK(plain == expected);

      const auto sum = draw<int32_t>(random, wrappers.bytes, INT32_MIN, INT32_MAX);
      const auto c = draw<uint8_t>(random, wrappers.bytes, 0, 255);
      const auto d = draw<int8_t>(random, wrappers.bytes, -128, 127);
      for (size_t i = 0; i < words; ++i) {
        int64_t exact = sum[i];
        for (size_t j = 4 * i; j < 4 * i + 4; ++j) exact += c[j] * d[j];
        expected[i] = static_cast<int32_t>(static_cast<uint32_t>(exact));
      }
      wrappers.byte_sums(sum.data(), c.data(), d.data(), got.data(), plain.data());
      CHECK(got == expected);
      CHECK(plain == expected);

      const auto e = draw<int8_t>(random, wrappers.bytes, -128, 127);
      const auto f = draw<int8_t>(random, wrappers.bytes, -127, 127);
      const auto start = draw<int32_t>(random, wrappers.bytes, -(1 << 30), 1 << 30);
      for (size_t i = 0; i < words; ++i) {
        expected[i] = start[i];
        for (size_t j = 4 * i; j < 4 * i + 4; ++j) expected[i] += e[j] * f[j];
      }
      wrappers.signed_byte_sums(start.data(), e.data(), f.data(), got.data(), plain.data());
      CHECK(got == expected);
      CHECK(plain == expected);

      std::vector<uint8_t> magnitudes(e.size());
      for (size_t i = 0; i < e.size(); ++i) magnitudes[i] = static_cast<uint8_t>(std::abs(e[i]));
      std::memcpy(expected.data(), magnitudes.data(), magnitudes.size());
      wrappers.magnitudes(e.data(), got.data(), plain.data());
      CHECK(got == expected);
      CHECK(plain == expected);

      uint8_t table[16];
      for (uint8_t& entry : table) entry = static_cast<uint8_t>(random.integer(0, 255));
      const auto codes = draw<uint8_t>(random, wrappers.bytes, 0, 15);
      std::vector<uint8_t> entries(codes.size());
      for (size_t i = 0; i < codes.size(); ++i) entries[i] = table[codes[i]];
      std::memcpy(expected.data(), entries.data(), entries.size());
      wrappers.look_up(table, codes.data(), got.data(), plain.data());
      CHECK(got == expected);
      CHECK(plain == expected);
    }
  }
}

}  // namespace heed::test
