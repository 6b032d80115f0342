#include "support/random.h"

#include <cstdio>
#include <cstdlib>

namespace heed::test {

uint64_t seed() {
  static const uint64_t value = [] {
    const char* given = std::getenv("HEED_TEST_SEED");
    const uint64_t chosen = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::printf("seed %llu (HEED_TEST_SEED repeats it)\n", static_cast<unsigned long long>(chosen));
    return chosen;
  }();
  return value;
}

uint64_t problems() {
  const char* given = std::getenv("HEED_TEST_PROBLEMS");
  return given ? std::strtoull(given, nullptr, 10) : 150;
}

}  // namespace heed::test
