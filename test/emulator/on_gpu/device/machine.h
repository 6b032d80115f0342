// Replaces the emulator's machine where the tests of kernels are built for a GPU (bench/gpu/build.py):
// kernels run on the GPU, which needs no registration of memory and does not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "machine/counts.h"

namespace heed::emulator {

class Machine {
 public:
  // A GPU has its own schedules.
  explicit Machine(uint64_t /*schedule_seed*/) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Memory of the tests is pinned, and the GPU accesses it in place: see host_memory.cu.
  void input(const void* /*data*/, size_t /*bytes*/, const std::string& /*name*/) {}
  void output(void* /*data*/, size_t /*bytes*/, const std::string& /*name*/) {}
  void in_out(void* /*data*/, size_t /*bytes*/, const std::string& /*name*/) {}
  void remove(const void* /*data*/) {}

  // Empty: test cases that need counts are excluded (main.cu).
  Counts counts() const { return {}; }
  Counts counts_within(std::string_view /*function*/) const { return {}; }
};

}  // namespace heed::emulator
