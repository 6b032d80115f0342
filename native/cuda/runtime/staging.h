// Pinned memory that host arrays travel through.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <mutex>
#include <vector>

#include "cuda/runtime/driver.h"

namespace heed::cuda {

// A window is one operation's at a time. There are few of them: so many operations copy at once, all others
// wait for their turn, in order, and hold up no thread.
class Staging {
 public:
  static constexpr size_t small = 64 << 10, large = 4 << 20;  // bytes

  struct Window {
    std::byte* data = nullptr;
    size_t bytes = 0;
  };
  class Waiter {
   public:
    virtual void granted(Window window) noexcept = 0;  // on any thread, at most once

   protected:
    ~Waiter() = default;
  };

  explicit Staging(Driver& driver) : driver_(driver) {}
  // No window is out.
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // A window of at least so many bytes, or the largest there is; or one without memory, and the waiter is
  // granted one later. Throws OutOfDeviceMemory where not even one can be pinned.
  Window take(size_t bytes, Waiter& waiter);
  // The waiter will not be granted anything any more; if it has been, that is its own to give back.
  void forget(Waiter& waiter) noexcept;
  // The stream has passed everything that uses the window. Does not call the driver.
  void give_back(Window window) noexcept;

 private:
  struct Size {
    size_t bytes, most;
    std::vector<std::byte*> all, unused;
    std::deque<Waiter*> waiting;
  };

  Driver& driver_;
  std::mutex mutex_;
  std::array<Size, 2> sizes_{{{small, 64, {}, {}, {}}, {large, 8, {}, {}, {}}}};
};

}  // namespace heed::cuda
