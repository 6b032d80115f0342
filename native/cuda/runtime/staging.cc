#include "cuda/runtime/staging.h"

#include <algorithm>

namespace heed::cuda {

Staging::~Staging() {
  for (const Size& size : sizes_) {
    for (std::byte* window : size.all) driver_.free_pinned(window);
  }
}

Staging::Window Staging::take(size_t bytes, Waiter& waiter) {
  Size& size = bytes <= small ? sizes_[0] : sizes_[1];
  if (const auto answer = take_made(size, waiter)) return *answer;
  // One thread at a time makes a window: whoever waits for one waits for windows that there are.
  const std::lock_guard making(making_);
  if (const auto answer = take_made(size, waiter)) return *answer;
  std::byte* made;
  try {
    made = static_cast<std::byte*>(driver_.allocate_pinned(size.bytes));
  } catch (const OutOfDeviceMemory&) {
    const std::lock_guard lock(mutex_);
    if (size.all.empty()) throw;
    return take_or_wait(size, waiter);
  }
  const std::lock_guard lock(mutex_);
  size.all.push_back(made);
  return {made, size.bytes};
}

// Nothing if a window is to be made.
std::optional<Staging::Window> Staging::take_made(Size& size, Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  size.all.reserve(size.most);
  size.unused.reserve(size.most);
  if (size.unused.empty() && size.all.size() < size.most) return std::nullopt;
  return take_or_wait(size, waiter);
}

Staging::Window Staging::take_or_wait(Size& size, Waiter& waiter) {
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
