// Stands for the emulator's machine where its tests of kernels are built for a GPU (bench/gpu/build.py):
// kernels that are launched run on the GPU, which needs not be told of memory, and does not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "machine/counts.h"

namespace heed::emulator {

class Machine {
 public:
  // A GPU has schedules of its own.
  explicit Machine(uint64_t /*schedule_seed*/) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Memory of the tests is pinned, and the GPU reads and writes it where it is: see host_memory.cu.
  void input(const void* /*data*/, size_t /*bytes*/, const std::string& /*name*/) {}
  void output(void* /*data*/, size_t /*bytes*/, const std::string& /*name*/) {}
  void in_out(void* /*data*/, size_t /*bytes*/, const std::string& /*name*/) {}
  void remove(const void* /*data*/) {}

  // Nothing: test cases that ask are left out (main.cu).
  Counts counts() const { return {}; }
  Counts counts_within(std::string_view /*function*/) const { return {}; }
};

}  // namespace heed::emulator
