// The host memory that a kernel may access, exactly as it was registered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "machine/shadow.h"

namespace heed::emulator {

struct Region {
  uintptr_t begin = 0, end = 0;
  std::string name;
  bool read_only = false;
  Shadow shadow{true};
};

class GlobalMemory {
 public:
  // Memory may not be read before it is written, unless `written`.
  void add(const void* begin, size_t bytes, std::string name, bool read_only, bool written);
  void remove(const void* begin);
  // Removes all regions that begin there; a region that extends into it ends where it begins.
  void remove_within(const void* begin, size_t bytes);
  // The region that contains an address, or null.
  Region* find(uintptr_t address) {
    if (last_ != nullptr && address >= last_->begin && address < last_->end) return last_;
    Region* region = nearest_below(address);
    if (region == nullptr || address >= region->end) return nullptr;
    return last_ = region;
  }
  // For reports: the last region that begins at or below an address.
  Region* nearest_below(uintptr_t address);

 private:
  std::map<uintptr_t, std::unique_ptr<Region>> regions_;
  Region* last_ = nullptr;
};

}  // namespace heed::emulator
