// Places in kernels: program counters as small numbers, with their source lines from the debug information.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace heed::emulator {

// A line of a function; of several functions inlined into each other, the innermost comes first.
struct Frame {
  std::string function, file;
  int line = 0;
};

class Sites {
 public:
  static constexpr uint32_t most = 1 << 15;
  static constexpr uint32_t unknown = 0;

  Sites() : counters_(1, nullptr), slots_(most * 2, 0) {}
  // The number of a return address; `unknown` if there are too many.
  uint32_t of(const void* counter) {
    size_t slot = reinterpret_cast<uintptr_t>(counter) * 0x9e3779b97f4a7c15u >> 48;
    while (slots_[slot] != 0) {
      if (counters_[slots_[slot]] == counter) return slots_[slot];
      slot = (slot + 1) % slots_.size();
    }
    if (counters_.size() == most) return unknown;
    slots_[slot] = static_cast<uint16_t>(counters_.size());
    counters_.push_back(counter);
    return slots_[slot];
  }
  size_t size() const { return counters_.size(); }
  const std::vector<Frame>& frames(uint32_t site) const;
  // The innermost frame that is not a wrapper of native/cuda/device.
  const Frame& line(uint32_t site) const;
  // Several call instructions that the compiler generates from one line count as one.
  bool same_line(uint32_t one, uint32_t other) const;

 private:
  std::vector<const void*> counters_;
  std::vector<uint16_t> slots_;
};

// Looks up a return address in the debug information, as addr2line does, in an executable compiled with -g,
// and caches the result.
const std::vector<Frame>& frames_of(const void* counter);

// The name with template arguments and parameters.
std::string name_of_kernel(const void* kernel);

}  // namespace heed::emulator
