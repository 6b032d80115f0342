// Pinned memory for copies of host arrays.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "cuda/runtime/driver.h"

namespace heed::cuda {

// One operation holds a window at a time. There are few windows, so a limited number of operations copy at
// once; the others wait in order, without blocking a thread.
class Staging {
 public:
  static constexpr size_t small = 64 << 10, large = 4 << 20;  // bytes

  struct Window {
    std::byte* data = nullptr;
    size_t bytes = 0;
  };
  class Waiter {
   public:
    virtual void granted(Window window) noexcept = 0;  // called on any thread, at most once

   protected:
    ~Waiter() = default;
  };

  explicit Staging(Driver& driver) : driver_(driver) {}
  // No window may be taken.
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Takes a window of at least `bytes`, or the largest available size; or returns a window without memory,
  // and grants the waiter one later. Throws OutOfDeviceMemory if not a single window can be pinned.
  Window take(size_t bytes, Waiter& waiter);
  // Afterwards the waiter is not granted a window any more; if it was granted one already, it must return it.
  void forget(Waiter& waiter) noexcept;
  // Requires that the stream has passed everything that uses the window. Does not call the driver.
  void give_back(Window window) noexcept;

 private:
  struct Size {
    size_t bytes, most;
    std::vector<std::byte*> all, unused;
    std::deque<Waiter*> waiting;
  };

  std::optional<Window> take_made(Size& size, Waiter& waiter);
  Window take_or_wait(Size& size, Waiter& waiter);

  Driver& driver_;
  // Held while the driver pins memory, which may wait for the stream. give_back(), which what waits for the
  // stream calls, takes only `mutex_`.
  std::mutex making_;
  std::mutex mutex_;
  std::array<Size, 2> sizes_{{{small, 64, {}, {}, {}}, {large, 8, {}, {}, {}}}};
};

}  // namespace heed::cuda
