// A fault that the emulator found in a kernel.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace heed::emulator {

enum class FaultKind : uint8_t {
  race,
  missing_barrier,
  divergent_barrier,
  divergent_warp,  // lanes of a mask at different operations
  wrong_mask,
  deadlock,
  endless,  // threads run without ever meeting
  unwritten_read,
  copy_not_awaited,  // a cp.async destination accessed before its thread has waited
  out_of_bounds,
  read_only,
  misaligned,
  wrong_space,  // global memory where shared memory was expected, or vice versa
};
const char* name_of(FaultKind kind);

struct Fault : std::runtime_error {
  Fault(FaultKind the_kind, const std::string& report) : std::runtime_error(report), kind(the_kind) {}

  FaultKind kind;
  std::string kernel, file;
  int line = 0;
  uint32_t block = 0;
  std::vector<uint32_t> threads;
};

}  // namespace heed::emulator
