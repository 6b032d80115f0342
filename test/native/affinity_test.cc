#include "core/affinity.h"

#include <doctest/doctest.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include <cstring>

#include "core/available_cores.h"

namespace heed::test {

TEST_CASE("affinity: masks of any length, as the kernel wants them") {
  for (const size_t kernel_bytes : {size_t{128}, size_t{256}, size_t{8192}}) {
    CAPTURE(kernel_bytes);
    const int processors = processors_in_affinity([&](unsigned long* mask, size_t bytes) {
      if (bytes < kernel_bytes) return false;
      auto* begin = reinterpret_cast<unsigned char*>(mask);
      std::memset(begin, 0, bytes);
      begin[0] = 0x81;                  // processors 0 and 7
      begin[kernel_bytes - 1] |= 0x7e;  // and six of the last byte's
      return true;
    });
    CHECK(processors == 8);
  }
}

TEST_CASE("affinity: one that cannot be read") {
  CHECK(processors_in_affinity([](unsigned long*, size_t) { return false; }) == 0);
}

#if defined(__linux__)
TEST_CASE("available_cores: no more than the affinity of the thread") {
  cpu_set_t before, first;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  CHECK(processors_in_affinity() == CPU_COUNT(&before));
  CPU_ZERO(&first);
  for (int cpu = 0; CPU_COUNT(&first) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &first);
  }
  REQUIRE(sched_setaffinity(0, sizeof first, &first) == 0);
  CHECK(processors_in_affinity() == 1);
  CHECK(available_cores() == 1);
  REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}
#endif

}  // namespace heed::test
