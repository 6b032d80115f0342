#include "machine.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "loops.h"

namespace heed::bench {
namespace {

constexpr size_t page = 4096;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs the work repeatedly on all threads at once and returns the shortest time from the common start to the
// last end.
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

// The loops with vectors of `lanes` floats.
const Loops& loops_of(int lanes) {
#if defined(HEED_HAVE_AVX512)
  if (lanes == avx512::loops.lanes) return avx512::loops;
#endif
#if defined(HEED_HAVE_AVX2)
  if (lanes == avx2::loops.lanes) return avx2::loops;
#endif
  return baseline::loops;
}

}  // namespace

double fma_peak(int lanes, int threads) {
  const Loops& loops = loops_of(lanes);
  return loops.operations * threads / shortest(threads, 0.1, [&](int) { loops.multiply_add(); });
}

double pairs_peak([[maybe_unused]] int threads) {
#if defined(HEED_HAVE_AVX512BF16)
  const Loops& loops = avx512bf16::loops;
  return 2 * loops.operations * threads / shortest(threads, 0.1, [&](int) { loops.multiply_pairs(); });
#else
  return 0;
#endif
}

double additive_peak(int lanes) {
  const Loops& loops = loops_of(lanes);
  return loops.terms / shortest(1, 0.1, [&](int) { loops.add_terms(); });
}

double read_bandwidth(size_t bytes, int lanes, int threads) {
  const Loops& loops = loops_of(lanes);
  const size_t part = bytes / static_cast<size_t>(threads) / page * page;
  const size_t whole = part * static_cast<size_t>(threads);
  const std::unique_ptr<char, decltype(&std::free)> memory(
      static_cast<char*>(std::aligned_alloc(page, whole)), std::free);
  std::fill_n(memory.get(), whole, char{1});
  // Small buffers are read more than once, so that the cost of the common start is negligible.
  const size_t times = std::max<size_t>(1, (size_t{1} << 24) / bytes);
  double best = 0;
  for (int variant = 0; variant < loops.read_variants; ++variant) {
    const double time = shortest(threads, 0.03, [&](int thread) {
      const char* begin = memory.get() + static_cast<size_t>(thread) * part;
      for (size_t i = 0; i < times; ++i) loops.read(variant, begin, part);
    });
    best = std::max(best, static_cast<double>(whole * times) / time);
  }
  return best;
}

}  // namespace heed::bench
