#include "machine/constants.h"

#include <link.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace heed::emulator {

namespace {

using Ranges = std::vector<std::pair<uintptr_t, uintptr_t>>;

// The read-only segments of the executable or library that contains this function and the kernels.
int add_segments(dl_phdr_info* info, size_t, void* result) {
  Ranges readable;
  bool here = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr, end = begin + segment.p_memsz;
    const auto own = reinterpret_cast<uintptr_t>(&is_constant);
    here = here || (own >= begin && own < end);
    if ((segment.p_flags & PF_W) == 0) readable.emplace_back(begin, end);
  }
  if (!here) return 0;
  *static_cast<Ranges*>(result) = std::move(readable);
  return 1;
}

}  // namespace

bool is_constant(uintptr_t address, uint32_t bytes) {
  static const Ranges ranges = [] {
    Ranges found;
    dl_iterate_phdr(&add_segments, &found);
    return found;
  }();
  return std::any_of(ranges.begin(), ranges.end(), [&](const std::pair<uintptr_t, uintptr_t>& range) {
    return address >= range.first && address + bytes <= range.second;
  });
}

}  // namespace heed::emulator
