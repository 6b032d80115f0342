// Finds the entry of a launch that a block or a row belongs to.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

namespace heed::cuda {

// The last entry whose `first(entry)` does not exceed `index`. Entries ascend, and the first one begins at 0.
template <class Entry, class Count, class First>
__device__ __forceinline__ const Entry& entry_at(const Entry* entries, Count count, int64_t index,
                                                 First first) {
  Count low = 0, high = count;
  while (high - low > 1) {
    const Count middle = (low + high) / 2;
    (first(entries[middle]) <= index ? low : high) = middle;
  }
  return entries[low];
}

}  // namespace heed::cuda
