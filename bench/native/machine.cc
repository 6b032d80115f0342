#include "machine.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace heed::bench {
namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs the work on all threads at once, again and again, and returns the shortest time from the common start
// to the last end.
double shortest(int threads, double limit, const std::function<void(int)>& work) {
  double began = 0, best = 1e9;
  bool done = false;
  const double end = seconds() + limit;
  int rounds = 0;
  std::barrier begin(threads, [&]() noexcept { began = seconds(); });
  std::barrier finish(threads, [&]() noexcept {
    best = std::min(best, seconds() - began);
    done = ++rounds >= 5 && seconds() > end;
  });
  const auto run = [&](int thread) {
    while (!done) {
      begin.arrive_and_wait();
      work(thread);
      finish.arrive_and_wait();
    }
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
  run(0);
  for (std::thread& other : others) other.join();
  return best;
}

constexpr int rounds_of_chains = 100'000;

// Ten independent chains of multiply-adds: as many as hide the latency of two units.
template <int lanes>
inline void chains() {
  typedef float V __attribute__((vector_size(lanes * 4)));
  V a = V{} + 1.0f, b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
  const V x = V{} + 0.999f, y = V{} + 0.001f;
  for (int k = 0; k < rounds_of_chains; ++k) {
    a = a * x + y, b = b * x + y, c = c * x + y, d = d * x + y, e = e * x + y;
    f = f * x + y, g = g * x + y, h = h * x + y, i = i * x + y, j = j * x + y;
    asm volatile(""
                 : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), "+x"(g), "+x"(h), "+x"(i), "+x"(j));
  }
}

// Reads every byte once, `streams` places at a time, each fetching what it will need `ahead` bytes later.
template <int lanes, int streams, int ahead>
inline void read(const char* begin, size_t bytes) {
  typedef float V __attribute__((vector_size(lanes * 4)));
  constexpr size_t step = 256;
  // Enough of them for additions, one after the other in each, to keep up with the loads.
  constexpr int sums_per_stream = 8 / streams;
  V sums[streams][sums_per_stream] = {};
  const size_t part = bytes / streams / step * step;
  for (size_t offset = 0; offset < part; offset += step) {
    for (int s = 0; s < streams; ++s) {
      const char* here = begin + s * part + offset;
      if constexpr (ahead > 0) {
        for (size_t line = 0; line < step; line += 64) __builtin_prefetch(here + ahead + line, 0, 2);
      }
      const V* vectors = reinterpret_cast<const V*>(here);
      for (size_t k = 0; k < step / sizeof(V); ++k) sums[s][k % sums_per_stream] += vectors[k];
    }
  }
  V total = {};
  for (auto& stream : sums) {
    for (const V& sum : stream) total += sum;
  }
  asm volatile("" ::"x"(total));
}

template <int lanes>
inline void read_variant(int variant, const char* begin, size_t bytes) {
  switch (variant) {
    case 0:
      return read<lanes, 1, 0>(begin, bytes);
    case 1:
      return read<lanes, 2, 0>(begin, bytes);
    case 2:
      return read<lanes, 4, 0>(begin, bytes);
    case 3:
      return read<lanes, 1, 4096>(begin, bytes);
    case 4:
      return read<lanes, 1, 16384>(begin, bytes);
    case 5:
      return read<lanes, 2, 8192>(begin, bytes);
    default:
      return read<lanes, 4, 4096>(begin, bytes);
  }
}
constexpr int read_variants = 7;

#ifdef __x86_64__
#define HEED_AVX512 __attribute__((target("avx512f,avx512vl,prefer-vector-width=512"), flatten))
#define HEED_AVX2 __attribute__((target("avx2,fma"), flatten))
HEED_AVX512 void chains16() {
  chains<16>();
}
HEED_AVX2 void chains8() {
  chains<8>();
}
HEED_AVX512 void read16(int variant, const char* begin, size_t bytes) {
  read_variant<16>(variant, begin, bytes);
}
HEED_AVX2 void read8(int variant, const char* begin, size_t bytes) {
  read_variant<8>(variant, begin, bytes);
}
#else
constexpr auto chains16 = chains<4>, chains8 = chains<4>;
constexpr auto read16 = read_variant<4>, read8 = read_variant<4>;
#endif

}  // namespace

double fma_peak(int lanes, int threads) {
  const double time = shortest(threads, 0.1, [lanes](int) {
    lanes == 16 ? chains16() : lanes == 8 ? chains8() : chains<4>();
  });
  return 10.0 * 2 * lanes * rounds_of_chains * threads / time;
}

double read_bandwidth(size_t bytes, int lanes, int threads) {
  const size_t part = bytes / threads / 4096 * 4096;
  const std::unique_ptr<char, decltype(&std::free)> memory(
      static_cast<char*>(std::aligned_alloc(4096, part * threads)), std::free);
  std::fill_n(memory.get(), part * threads, char{1});
  // Small buffers are read more than once, so that what starting together takes does not count.
  const size_t times = std::max<size_t>(1, (size_t{1} << 24) / bytes);
  double best = 0;
  for (int variant = 0; variant < read_variants; ++variant) {
    const double time = shortest(threads, 0.03, [&](int thread) {
      const char* begin = memory.get() + thread * part;
      for (size_t i = 0; i < times; ++i) {
        lanes == 16  ? read16(variant, begin, part)
        : lanes == 8 ? read8(variant, begin, part)
                     : read_variant<4>(variant, begin, part);
      }
    });
    best = std::max(best, static_cast<double>(part * threads * times) / time);
  }
  return best;
}

}  // namespace heed::bench
