// Kernels with a bug in them, and the same kernels without it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace heed::emulator {

enum class FaultKind : uint8_t;

// What a planted kernel works on.
struct PlantedOperands {
  static constexpr size_t in_size = 1024, out_size = 1024;
  const float* in;
  float* out;         // nothing is written to it yet
  uint32_t* counter;  // 0
};

struct PlantedBug {
  const char* name;
  std::vector<FaultKind> kinds;  // the emulator may call it any of these, as the threads' order has it
  void (*launch)(bool planted, const PlantedOperands& operands);
};

std::vector<PlantedBug> planted_races();
std::vector<PlantedBug> planted_barriers();
std::vector<PlantedBug> planted_unwritten();
std::vector<PlantedBug> planted_addresses();
std::vector<PlantedBug> planted_lanes();

}  // namespace heed::emulator
