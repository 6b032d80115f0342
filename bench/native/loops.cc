// Compiled once per instruction set, like the kernels, and like them without inline code from elsewhere.
#include "loops.h"

#include "cpu/kernels/math.h"
#include "cpu/kernels/pair_product.h"

namespace heed::bench::HEED_ISA {
namespace {

using heed::cpu::HEED_ISA::lanes;
using heed::cpu::HEED_ISA::reciprocal;
using heed::cpu::HEED_ISA::UintVec;
using heed::cpu::HEED_ISA::Vec;

constexpr int rounds = 100'000;
constexpr int chains = 10;

// Independent chains of multiply-adds, enough to hide the latency of two units.
void multiply_add() {
  Vec a = Vec{} + 1.0f, b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
  const Vec x = Vec{} + 0.999f, y = Vec{} + 0.001f;
  const auto next = [&](Vec sum) { return heed::cpu::HEED_ISA::multiply_add(sum, x, y); };
  for (int k = 0; k < rounds; ++k) {
    a = next(a), b = next(b), c = next(c), d = next(d), e = next(e);
    f = next(f), g = next(g), h = next(h), i = next(i), j = next(j);
    asm volatile(""
                 : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), "+x"(g), "+x"(h), "+x"(i), "+x"(j));
  }
}

void multiply_pairs() {
  Vec a = Vec{} + 1.0f, b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
  const UintVec x = UintVec{} + 0x3f7f3c00u;
  const auto next = [&](Vec sum) { return heed::cpu::HEED_ISA::pair_product(x, x, sum); };
  for (int k = 0; k < rounds; ++k) {
    a = next(a), b = next(b), c = next(c), d = next(d), e = next(e);
    f = next(f), g = next(g), h = next(h), i = next(i), j = next(j);
    asm volatile(""
                 : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), "+x"(g), "+x"(h), "+x"(i), "+x"(j));
  }
}

// Sums of v / (1 + x y), enough in parallel to hide the latency.
void add_terms() {
  Vec sums[chains] = {};
  const Vec x = Vec{} + 0.999f, v = x;
  for (int k = 0; k < rounds; ++k) {
#pragma GCC unroll 10
    for (int i = 0; i < chains; ++i) {
      Vec y = x;
      asm volatile("" : "+x"(y));
      const Vec divisor = heed::cpu::HEED_ISA::multiply_add(x, y, Vec{} + 1.0f);
      sums[i] = heed::cpu::HEED_ISA::multiply_add(v, reciprocal(divisor), sums[i]);
    }
  }
  for (const Vec& sum : sums) asm volatile("" ::"x"(sum));
}

// Reads `streams` places at a time, each with a prefetch `ahead` bytes further on.
template <int streams, int ahead>
inline void read_streams(const char* begin, size_t bytes) {
  // Enough sums that the dependent additions in each keep up with the loads.
  constexpr int sums_per_stream = 8 / streams;
  Vec sums[streams][sums_per_stream] = {};
  constexpr size_t step = 256;
  const size_t part = bytes / streams / step * step;
  for (size_t offset = 0; offset < part; offset += step) {
    for (int s = 0; s < streams; ++s) {
      const char* here = begin + s * part + offset;
      if constexpr (ahead > 0) {
        for (size_t line = 0; line < step; line += 64) __builtin_prefetch(here + ahead + line, 0, 2);
      }
      const Vec* vectors = reinterpret_cast<const Vec*>(here);
      for (size_t k = 0; k < step / sizeof(Vec); ++k) sums[s][k % sums_per_stream] += vectors[k];
    }
  }
  Vec total = {};
  for (const auto& stream : sums) {
    for (const Vec& sum : stream) total += sum;
  }
  asm volatile("" ::"x"(total));
}

void read(int variant, const char* begin, size_t bytes) {
  switch (variant) {
    case 0:
      return read_streams<1, 0>(begin, bytes);
    case 1:
      return read_streams<2, 0>(begin, bytes);
    case 2:
      return read_streams<4, 0>(begin, bytes);
    case 3:
      return read_streams<1, 4096>(begin, bytes);
    case 4:
      return read_streams<1, 16384>(begin, bytes);
    case 5:
      return read_streams<2, 8192>(begin, bytes);
    default:
      return read_streams<4, 4096>(begin, bytes);
  }
}
constexpr int read_variants = 7;

}  // namespace

const Loops loops = {.lanes = lanes,
                     .operations = 2.0 * lanes * chains * rounds,
                     .multiply_add = multiply_add,
                     .multiply_pairs = multiply_pairs,
                     .terms = 1.0 * lanes * chains * rounds,
                     .add_terms = add_terms,
                     .read_variants = read_variants,
                     .read = read};

}  // namespace heed::bench::HEED_ISA
