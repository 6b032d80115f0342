#include "core/plan.h"

#include <new>

namespace heed {

namespace {
constexpr std::align_val_t alignment{64};
}

void Scratch::Free::operator()(void* pointer) const {
  ::operator delete(pointer, alignment);
}

void* Scratch::reserve(size_t bytes) {
  if (bytes > capacity_) {
    // Frees the old memory first: both together may exceed the available memory.
    memory_.reset();
    capacity_ = 0;
    memory_.reset(::operator new(bytes, alignment));
    capacity_ = bytes;
  }
  return memory_.get();
}

}  // namespace heed
