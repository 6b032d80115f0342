// Places in kernels: program counters as small numbers, and their source lines from the debug information.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace heed::emulator {

// A line of a function; of several that were inlined into each other, the innermost first.
struct Frame {
  std::string function, file;
  int line = 0;
};

class Sites {
 public:
  static constexpr uint32_t most = 1 << 15;
  static constexpr uint32_t unknown = 0;

  Sites() : counters_(1, nullptr), slots_(most * 2, 0) {}
  // The number of a return address; `unknown` when there are too many.
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
  // Two call instructions that the compiler has made of one line are one.
  bool same_line(uint32_t one, uint32_t other) const;

 private:
  std::vector<const void*> counters_;
  std::vector<uint16_t> slots_;
};

// By addr2line, from an executable that was compiled with -g; remembered. The address is one that a call
// returns to.
const std::vector<Frame>& frames_of(const void* counter);

// With its template arguments and parameters.
std::string name_of_kernel(const void* kernel);

}  // namespace heed::emulator
