// Stacks of their own, and going from one to another: in 10 ns where the switch is written in assembly, for
// x86-64; elsewhere by ucontext, which makes a system call each time and took 1 µs on the same machine.
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
  // A place to come back to: the thread that everything started on.
  Fiber() = default;
  // Starts `enter` on the stack that ends at `top`, when first switched to. It must never return.
  Fiber(uint8_t* bottom, uint8_t* top, void (*enter)());

  static void switch_to(Fiber& from, const Fiber& to);

 private:
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_{};
#endif
};

// Memory for stacks, kept until the host's thread ends. Below each lies a page that nobody may touch.
class Stacks {
 public:
  static constexpr size_t stack_bytes = 128 * 1024;

  Stacks() = default;
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  void reserve(size_t count);
  uint8_t* bottom(size_t index) const { return stacks_[index]; }
  // Tops lie differently in the cache's sets: threads of a block are at the same depth most of the time.
  uint8_t* top(size_t index) const { return stacks_[index] + stack_bytes - index % 61 * 192; }

 private:
  std::vector<uint8_t*> stacks_;
};

}  // namespace heed::emulator
