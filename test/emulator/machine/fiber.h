// Fibers: separate stacks, and switches between them. A switch takes 10 ns in assembly, for x86-64; elsewhere
// ucontext makes a system call each time and took 1 µs on the same machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace heed::emulator {

class Fiber {
 public:
  // A fiber to return to: the thread on which everything started.
  Fiber() = default;
  // Starts `enter` on the stack that ends at `top` at the first switch. It must never return.
  Fiber(uint8_t* bottom, uint8_t* top, void (*enter)());

  static void switch_to(Fiber& from, const Fiber& to);

 private:
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_{};
#endif
};

// Memory for stacks, kept until the host's thread ends. An inaccessible page lies below each.
class Stacks {
 public:
  static constexpr size_t stack_bytes = 128 * 1024;

  Stacks() = default;
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  void reserve(size_t count);
  uint8_t* bottom(size_t index) const { return stacks_[index]; }
  // Stack tops map to different cache sets, because threads of a block usually are at the same depth.
  uint8_t* top(size_t index) const { return stacks_[index] + stack_bytes - index % 61 * 192; }

 private:
  std::vector<uint8_t*> stacks_;
};

}  // namespace heed::emulator
