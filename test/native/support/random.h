// Random inputs. The seed is printed at start; HEED_TEST_SEED repeats a run.
#pragma once

#include <cstdint>
#include <random>

namespace heed::test {

uint64_t seed();

// The number of random problems that a test solves on each instruction set: HEED_TEST_PROBLEMS, or 150.
uint64_t problems();

class Random {
 public:
  explicit Random(uint64_t stream) : engine_(seed() * 1000003 + stream) {}
  int64_t integer(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(engine_); }
  double normal() { return std::normal_distribution<double>()(engine_); }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[integer(0, static_cast<int64_t>(choices.size()) - 1)];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace heed::test
