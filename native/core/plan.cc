#include "core/plan.h"

namespace heed {

void* Scratch::reserve(size_t bytes) {
  if (bytes > capacity_) {
    // Frees the old memory first: both together may exceed the available memory.
    memory_.reset();
    capacity_ = 0;
    memory_ = aligned_memory(bytes);
    capacity_ = bytes;
  }
  return memory_.get();
}

}  // namespace heed
