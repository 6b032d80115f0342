// The entries of a launch, such as its sequences, and the one that a block or a row belongs to.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/device/target.cuh"
#include "cuda/workspace.h"

namespace heed::cuda {

// A part of a kernel's parameters. A few entries lie in it, which saves the copy of a table; more lie in
// device memory.
template <class Entry>
struct Entries {
  static constexpr size_t most_here = 1024 / sizeof(Entry);

  const Entry* elsewhere;  // null if all entries are here
  int32_t count;
  Entry here[most_here];

  __device__ __forceinline__ const Entry* data() const { return elsewhere == nullptr ? here : elsewhere; }
  __device__ __forceinline__ const Entry& operator[](int64_t index) const { return data()[index]; }
};

template <class Entry>
Entries<Entry> entries_of(const std::vector<Entry>& list, Workspace& workspace) {
  Entries<Entry> entries{};
  entries.count = static_cast<int32_t>(list.size());
  if (list.size() > entries.most_here) {
    entries.elsewhere = workspace.upload(list);
  } else {
    std::ranges::copy(list, entries.here);
  }
  return entries;
}

// The last entry whose `first(entry)` does not exceed `index`. Entries ascend, and the first one begins at 0.
template <class Entry, class First>
__device__ __forceinline__ const Entry& entry_at(const Entries<Entry>& entries, int64_t index, First first) {
  const Entry* const data = entries.data();
  int32_t low = 0, high = entries.count;
  while (high - low > 1) {
    const int32_t middle = (low + high) / 2;
    (first(data[middle]) <= index ? low : high) = middle;
  }
  return data[low];
}

}  // namespace heed::cuda
