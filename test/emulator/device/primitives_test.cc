// Tests the wrappers of native/cuda/device against the PTX ISA, whose words and tables this file implements
// independently. The emulator's bodies are tested on every machine; an nvcc build tests the CUDA bodies on a
// GPU and compares them with the emulator's.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "device/run.h"
#include "support/float8.h"
#include "support/half.h"
#include "support/random.h"

namespace heed::test {

namespace {

using Words = std::vector<uint32_t>;

float as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
uint32_t as_word(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

DType type_in(const std::string& name) {
  return name.ends_with("bfloat16") ? DType::bfloat16 : DType::float16;
}

// ── inputs ──

uint32_t random_halves(Random& random, DType type) {
  uint32_t pair = 0;
  for (int i = 0; i < 2; ++i) write(&pair, type, i, random.normal());
  return pair;
}

// Any number of the type, including subnormal numbers, infinities and NaN.
uint32_t random_bits(Random& random) {
  return static_cast<uint32_t>(random.integer(0, UINT32_MAX));
}

float random_float(Random& random, DType to) {
  const double magnitude = to == DType::float16 ? random.integer(-27, 17) : random.integer(-150, 128);
  const auto value = static_cast<float>(std::ldexp(random.normal(), static_cast<int>(magnitude)));
  // Sometimes halfway between two neighbours.
  return random.chance(0.3) ? as_float(as_word(value) & (to == DType::float16 ? 0xfffff000 : 0xffff8000))
                            : value;
}

Words random_input(Random& random, const cuda::Primitive& primitive) {
  const std::string& name = primitive.name;
  Words in(primitive.in_words);
  for (size_t i = 0; i < in.size(); ++i) {
    if (name.starts_with("multiply")) {
      in[i] =
          i % 10 < 6 ? random_halves(random, type_in(name)) : as_word(static_cast<float>(random.normal()));
    } else if (name.starts_with("pack")) {
      in[i] = as_word(random_float(random, type_in(name)));
    } else if (name == "narrow to float8") {
      const double number = std::ldexp(random.normal(), static_cast<int>(random.integer(-13, 9)));
      // Sometimes halfway between two neighbours.
      in[i] = as_word(static_cast<float>(number)) & (random.chance(0.3) ? 0xfff80000 : UINT32_MAX);
    } else if (name == "exp2") {
      in[i] = as_word(static_cast<float>(random.normal() * random.pick({0.01, 1.0, 60.0})));
    } else if (name == "log2") {
      in[i] = as_word(static_cast<float>(std::exp(random.normal() * random.pick({0.1, 1.0, 20.0}))));
    } else if (name == "reciprocal") {
      const double magnitude = random.chance(0.05) ? INFINITY : std::exp(random.normal() * 20);
      in[i] = as_word(static_cast<float>(random.chance(0.5) ? magnitude : -magnitude));
    } else if (name == "exchanges") {
      in[i] = static_cast<uint32_t>(random.integer(0, 1000));
    } else if (name == "votes") {
      in[i] = random.chance(0.9) ? static_cast<uint32_t>(random.integer(0, 29)) : random_bits(random);
    } else {
      in[i] = random_bits(random);
    }
  }
  return in;
}

// ── the PTX ISA ──

// "Matrix fragments for mma.m16n8k16 with floating point type": rows and columns of element i of lane's
// fragment.
struct Place {
  uint32_t row, column;
};
Place in_a(uint32_t lane, uint32_t i) {
  const uint32_t group = lane >> 2, in_group = lane % 4;
  const uint32_t row = (i < 2) || (4 <= i && i < 6) ? group : group + 8;
  const uint32_t column = i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
  return {row, column};
}
Place in_b(uint32_t lane, uint32_t i) {
  const uint32_t group = lane >> 2, in_group = lane % 4;
  return {i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8, group};
}
Place in_c(uint32_t lane, uint32_t i) {
  const uint32_t group = lane >> 2, in_group = lane % 4;
  return {i < 2 ? group : group + 8, in_group * 2 + (i & 1)};
}

Words multiplied(DType type, const Words& in) {
  double a[16][16], b[16][8], c[16][8];
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint32_t* mine = &in[lane * 10];
    for (uint32_t i = 0; i < 8; ++i) a[in_a(lane, i).row][in_a(lane, i).column] = read(mine, type, i);
    for (uint32_t i = 0; i < 4; ++i) b[in_b(lane, i).row][in_b(lane, i).column] = read(mine + 4, type, i);
    for (uint32_t i = 0; i < 4; ++i) c[in_c(lane, i).row][in_c(lane, i).column] = as_float(mine[6 + i]);
  }
  Words out(128);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t i = 0; i < 4; ++i) {
      const auto [row, column] = in_c(lane, i);
      double sum = c[row][column];
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
      out[lane * 4 + i] = as_word(static_cast<float>(sum));
    }
  }
  return out;
}

uint16_t half_of(const Words& words, size_t index) {
  return static_cast<uint16_t>(words[index / 2] >> (index % 2 * 16));
}
void set_half(Words& words, size_t index, uint16_t bits) {
  const uint32_t shift = index % 2 * 16;
  words[index / 2] = (words[index / 2] & ~(0xffffu << shift)) | static_cast<uint32_t>(bits) << shift;
}

// ldmatrix: "thread 0 holds elements 0 and 1 of row 0, thread 4 those of row 1 …". Of matrix m, in memory in
// rows of 8 elements, lane l's two elements; with .trans those of the transposed matrix.
size_t element_of(uint32_t lane, uint32_t matrix, uint32_t i, bool transposed) {
  uint32_t row = lane / 4, column = lane % 4 * 2 + i;
  if (transposed) std::swap(row, column);
  return (matrix * 8 + row) * 8 + column;
}

Words loaded(bool transposed, const Words& in) {
  Words out(in.size());
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t m = 0; m < 4; ++m) {
      for (uint32_t i = 0; i < 2; ++i) {
        set_half(out, (lane * 4 + m) * 2 + i, half_of(in, element_of(lane, m, i, transposed)));
      }
    }
  }
  return out;
}

// The result of each lane, given the lane that it reads from.
Words from_lanes(const Words& in, const std::function<int(int lane)>& source) {
  Words out(32);
  for (int lane = 0; lane < 32; ++lane)
    out[static_cast<size_t>(lane)] = in[static_cast<size_t>(source(lane))];
  return out;
}

// Rounds to nearest, ties to even. NaN is 0x7fff.
uint16_t rounded(DType type, float value) {
  if (std::isnan(value)) return 0x7fff;
  const double magnitude = std::fabs(static_cast<double>(value));
  uint16_t best = 0;
  double distance = INFINITY;
  const uint16_t infinity = type == DType::float16 ? 0x7c00 : 0x7f80;
  // Infinity takes the place of the next larger number.
  const double beyond = type == DType::float16 ? 65536.0 : std::ldexp(1.0, 128);
  for (int bits = 0; bits <= infinity; ++bits) {
    const auto candidate = static_cast<uint16_t>(bits);
    const double there = bits == infinity ? beyond : read(&candidate, type, 0);
    const double apart =
        std::isinf(magnitude) ? (bits == infinity ? 0 : INFINITY) : std::fabs(there - magnitude);
    if (apart < distance || (apart == distance && bits % 2 == 0)) {
      best = candidate;
      distance = apart;
    }
  }
  return static_cast<uint16_t>(best | (std::signbit(value) ? 0x8000 : 0));
}

Words packed(DType type, const Words& in) {
  Words out(64);
  for (size_t lane = 0; lane < 32; ++lane) {
    const uint32_t low = rounded(type, as_float(in[2 * lane])),
                   high = rounded(type, as_float(in[2 * lane + 1]));
    out[2 * lane] = out[2 * lane + 1] = low | high << 16;
  }
  return out;
}

Words widened(const Words& in) {
  Words out;
  for (size_t i = 0; i < 4 * in.size(); ++i)
    out.push_back(as_word(reinterpret_cast<const int8_t*>(in.data())[i]));
  return out;
}

uint8_t byte_of(const Words& words, size_t index) {
  return static_cast<uint8_t>(words[index / 4] >> (index % 4 * 8));
}

Words scaled_from_float8(const Words& in) {
  Words out;
  for (size_t i = 0; i < 4 * in.size(); ++i)
    out.push_back(as_word(static_cast<float>(0.75 * float8_number(byte_of(in, i)))));
  return out;
}

Words paired_from_float8(DType type, const Words& in) {
  Words out(2 * in.size());
  for (size_t i = 0; i < 4 * in.size(); ++i) {
    const uint8_t code = byte_of(in, i);
    const uint16_t magnitude = rounded(type, static_cast<float>(std::fabs(float8_number(code))));
    set_half(out, i, static_cast<uint16_t>(magnitude | (code & 0x80) << 8));
  }
  return out;
}

Words narrowed_to_float8(const Words& in) {
  Words out;
  for (const uint32_t word : in) out.push_back(test::nearest_float8(double{as_float(word)}));
  return out;
}

template <class F>
Words each(const Words& in, F f) {
  Words out;
  for (const uint32_t word : in)
    out.push_back(as_word(static_cast<float>(f(static_cast<double>(as_float(word))))));
  return out;
}

Words voted(const Words& in) {
  uint32_t ballot = 0;
  bool any = false;
  for (size_t lane = 0; lane < 32; ++lane) {
    ballot |= (in[lane] & 1) << lane;
    any = any || (in[lane] & 31) == 31;
  }
  Words out;
  for (int lane = 0; lane < 32; ++lane) out.insert(out.end(), {ballot, any});
  return out;
}

Words mirrored(const Words& in, size_t count) {
  Words out(in.size());
  for (size_t i = 0; i < in.size(); ++i) out[i] = in[(31 - i / count) * count + i % count];
  return out;
}

Words copied(const Words& in, size_t bytes) {
  Words out = in;
  auto* first = reinterpret_cast<uint8_t*>(out.data());
  for (size_t lane = 0; lane < 32; ++lane) {
    for (size_t byte = lane % (bytes + 1); byte < bytes; ++byte) first[lane * bytes + byte] = 0;
  }
  out.insert(out.end(), in.begin(), in.end());
  return out;
}

Words copied_by_some(Words words) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (i / 4 % 3 == 0) words[i] = static_cast<uint32_t>(i / 4);
  }
  return words;
}

// The exchanged and the remaining values, twice. Which thread receives which value depends on their order, so
// compare() sorts.
Words exchanged(const Words& in) {
  Words all = in;
  all.insert(all.end(), in.begin(), in.end());
  all.insert(all.end(), {7, 7});
  return all;
}

// What all threads add to 7, twice, and to 7 how often that passes 2^32.
Words added(const Words& in) {
  uint64_t sum = 7;
  for (const uint32_t word : in) sum += word;
  const auto total = static_cast<uint32_t>(sum);
  return {total, total, 7 + static_cast<uint32_t>(sum >> 32)};
}

// The pairs of two other lanes, added.
Words added_pairs(const Words& in) {
  Words out;
  const auto pair = [&](uint32_t lane) { return in[2 * lane] | uint64_t{in[2 * lane + 1]} << 32; };
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint64_t sum = pair(lane ^ 5) + pair((lane + 5) % 32);
    out.insert(out.end(), {static_cast<uint32_t>(sum), static_cast<uint32_t>(sum >> 32)});
  }
  return out;
}

Words placed(const Words& in) {
  Words out;
  for (uint32_t block = 0; block < 2; ++block) {
    for (uint32_t t = 0; t < 64; ++t) out.insert(out.end(), {block + in[0], 64 + t / 32, t + t % 32});
  }
  return out;
}

Words expected(const std::string& name, const Words& in) {
  const auto f16 = DType::float16, bf16 = DType::bfloat16;
  const std::map<std::string, std::function<Words()>> all = {
      {"multiply float16", [&] { return multiplied(f16, in); }},
      {"multiply bfloat16", [&] { return multiplied(bf16, in); }},
      {"load", [&] { return loaded(false, in); }},
      {"load transposed", [&] { return loaded(true, in); }},
      {"shuffle",
       [&] { return from_lanes(in, [&](int l) { return 2 * static_cast<int>(in[2 * l + 1] % 32); }); }},
      {"shuffle xor 5", [&] { return from_lanes(in, [](int l) { return l ^ 5; }); }},
      {"shuffle xor 16", [&] { return from_lanes(in, [](int l) { return l ^ 16; }); }},
      {"votes", [&] { return voted(in); }},
      {"pack float16", [&] { return packed(f16, in); }},
      {"pack bfloat16", [&] { return packed(bf16, in); }},
      {"widen int8", [&] { return widened(in); }},
      {"widen float8", [&] { return scaled_from_float8(in); }},
      {"widen float8 to float16", [&] { return paired_from_float8(f16, in); }},
      {"widen float8 to bfloat16", [&] { return paired_from_float8(bf16, in); }},
      {"narrow to float8", [&] { return narrowed_to_float8(in); }},
      {"exp2", [&] { return each(in, [](double x) { return std::exp2(x); }); }},
      {"log2", [&] { return each(in, [](double x) { return std::log2(x); }); }},
      {"reciprocal", [&] { return each(in, [](double x) { return 1 / x; }); }},
      {"vectors of 1", [&] { return mirrored(in, 1); }},
      {"vectors of 2", [&] { return mirrored(in, 2); }},
      {"vectors of 4", [&] { return mirrored(in, 4); }},
      {"copy 4", [&] { return copied(in, 4); }},
      {"copy 8", [&] { return copied(in, 8); }},
      {"copy 16", [&] { return copied(in, 16); }},
      {"copy if", [&] { return copied_by_some(in); }},
      {"exchanges", [&] { return exchanged(in); }},
      {"additions", [&] { return added(in); }},
      {"shuffle pairs", [&] { return added_pairs(in); }},
      {"places", [&] { return placed(in); }},
  };
  return all.at(name)();
}

// The allowed difference between two words: none for exact functions, small errors for the others.
bool agree(const std::string& name, uint32_t got, uint32_t wanted) {
  if (got == wanted) return true;
  const double x = as_float(got), y = as_float(wanted);
  if (name.starts_with("multiply")) return std::fabs(x - y) <= 2e-5 * (1 + std::fabs(y));
  if (name == "widen float8") return std::isnan(x) && std::isnan(y);
  if (name == "exp2") return std::fabs(x - y) <= std::ldexp(y, -21) + 0x1p-126;
  if (name == "reciprocal") return std::fabs(x - y) <= std::ldexp(std::fabs(y), -22);
  if (name == "log2") return std::fabs(x - y) <= std::ldexp(1 + std::fabs(y), -21);
  return false;
}

void compare(const std::string& name, Words got, Words wanted) {
  INFO(name);
  if (name == "exchanges") {
    std::sort(got.begin(), got.end());
    std::sort(wanted.begin(), wanted.end());
  }
  REQUIRE(got.size() == wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO("word " << i << ": " << got[i] << ", expected " << wanted[i]);
    CHECK(agree(name, got[i], wanted[i]));
  }
}

}  // namespace

TEST_CASE("wrappers do what the PTX ISA says") {
  Random random(2);
  for (const cuda::Primitive& primitive : cuda::primitives()) {
    for (int repetition = 0; repetition < 6; ++repetition) {
      const Words in = random_input(random, primitive);
      compare(primitive.name, run(primitive, in), expected(primitive.name, in));
    }
  }
}

#if defined(HEED_ON_GPU)
// The emulator's bodies, in a separate library because the functions of both have the same names.
extern "C" void heed_emulate_primitive(const char* name, const uint32_t* in, uint32_t* out);

TEST_CASE("both bodies of each wrapper do the same") {
  Random random(3);
  for (const cuda::Primitive& primitive : cuda::primitives()) {
    for (int repetition = 0; repetition < 200; ++repetition) {
      const Words in = random_input(random, primitive);
      Words emulated(primitive.out_words);
      heed_emulate_primitive(primitive.name.c_str(), in.data(), emulated.data());
      compare(primitive.name, run(primitive, in), emulated);
    }
  }
}
#endif

}  // namespace heed::test
