#include "machine/global_memory.h"

#include <iterator>
#include <utility>

namespace heed::emulator {

void GlobalMemory::add(const void* begin, size_t bytes, std::string name, bool read_only, bool written) {
  auto region = std::make_unique<Region>();
  region->begin = reinterpret_cast<uintptr_t>(begin);
  region->end = region->begin + bytes;
  region->name = std::move(name);
  region->read_only = read_only;
  region->shadow = Shadow(written);
  regions_[region->begin] = std::move(region);
  last_ = nullptr;
}

void GlobalMemory::remove(const void* begin) {
  regions_.erase(reinterpret_cast<uintptr_t>(begin));
  last_ = nullptr;
}

void GlobalMemory::remove_within(const void* begin, size_t bytes) {
  const auto from = reinterpret_cast<uintptr_t>(begin);
  regions_.erase(regions_.lower_bound(from), regions_.lower_bound(from + bytes));
  last_ = nullptr;
  Region* before = nearest_below(from);
  if (before != nullptr && before->end > from) before->end = from;
}

Region* GlobalMemory::nearest_below(uintptr_t address) {
  auto after = regions_.upper_bound(address);
  return after == regions_.begin() ? nullptr : std::prev(after)->second.get();
}

}  // namespace heed::emulator
