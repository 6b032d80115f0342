#include "cuda/runtime/staging.h"

#include <algorithm>

namespace heed::cuda {

Staging::~Staging() {
  for (const Size& size : sizes_) {
    for (std::byte* window : size.all) driver_.free_pinned(window);
  }
}

Staging::Window Staging::take(size_t bytes, Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  Size& size = bytes <= small ? sizes_[0] : sizes_[1];
  if (size.unused.empty() && size.all.size() < size.most) {
    size.all.reserve(size.most);
    size.unused.reserve(size.most);
    try {
      size.all.push_back(static_cast<std::byte*>(driver_.allocate_pinned(size.bytes)));
      size.unused.push_back(size.all.back());
    } catch (const OutOfDeviceMemory&) {
      if (size.all.empty()) throw;  // otherwise an existing window will be returned
    }
  }
  if (size.unused.empty()) {
    size.waiting.push_back(&waiter);
    return {};
  }
  const Window window{size.unused.back(), size.bytes};
  size.unused.pop_back();
  return window;
}

void Staging::forget(Waiter& waiter) noexcept {
  const std::lock_guard lock(mutex_);
  for (Size& size : sizes_) std::erase(size.waiting, &waiter);
}

void Staging::give_back(Window window) noexcept {
  const std::lock_guard lock(mutex_);
  Size& size = window.bytes == small ? sizes_[0] : sizes_[1];
  if (size.waiting.empty()) {
    size.unused.push_back(window.data);
  } else {
    Waiter* next = size.waiting.front();
    size.waiting.pop_front();
    // Called with the lock held: otherwise the waiter could be forgotten and destroyed meanwhile.
    next->granted(window);
  }
}

}  // namespace heed::cuda
