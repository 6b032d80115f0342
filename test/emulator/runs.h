// The number of kernel runs.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace heed::emulator {

// For correct kernels, in which no fault may be found: HEED_EMULATOR_RUNS, or 10000.
inline uint64_t good_runs() {
  const char* given = std::getenv("HEED_EMULATOR_RUNS");
  return given == nullptr ? 10000 : std::strtoull(given, nullptr, 10);
}

}  // namespace heed::emulator
