#include "core/affinity.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <bit>
#include <vector>

namespace heed {

int processors_in_affinity(const ReadAffinity& read) {
  // cpu_set_t ends at 1024 processors, and the kernel rejects masks shorter than its own.
  constexpr size_t shortest = 1024, longest = size_t{1} << 20;
  for (size_t processors = shortest; processors <= longest; processors *= 2) {
    std::vector<unsigned long> mask(processors / (8 * sizeof(unsigned long)));
    if (!read(mask.data(), mask.size() * sizeof(unsigned long))) continue;
    int count = 0;
    for (const unsigned long word : mask) count += std::popcount(word);
    return count;
  }
  return 0;
}

int processors_in_affinity() {
#if defined(__linux__)
  return processors_in_affinity([](unsigned long* mask, size_t bytes) {
    return sched_getaffinity(0, bytes, reinterpret_cast<cpu_set_t*>(mask)) == 0;
  });
#else
  return 0;
#endif
}

}  // namespace heed
