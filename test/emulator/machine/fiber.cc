#include "machine/fiber.h"

#include <sys/mman.h>

#include <new>

namespace heed::emulator {

#if defined(__x86_64__)

// Pushes the callee-saved registers onto the stack that the switch leaves.
asm(R"(
.text
.p2align 4
.type heed_switch_fiber, @function
heed_switch_fiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size heed_switch_fiber, .-heed_switch_fiber
)");
extern "C" void heed_switch_fiber(void** left, void* entered);

Fiber::Fiber(uint8_t*, uint8_t* top, void (*enter)()) {
  auto** slot = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(top) / 16 * 16);
  *--slot = nullptr;  // the return address of `enter`, which has none
  *--slot = reinterpret_cast<void*>(enter);
  for (int saved = 0; saved < 6; ++saved) *--slot = nullptr;
  stack_pointer_ = slot;
}

void Fiber::switch_to(Fiber& from, const Fiber& to) {
  heed_switch_fiber(&from.stack_pointer_, to.stack_pointer_);
}

#else

Fiber::Fiber(uint8_t* bottom, uint8_t* top, void (*enter)()) {
  getcontext(&context_);
  context_.uc_stack.ss_sp = bottom;
  context_.uc_stack.ss_size = static_cast<size_t>(top - bottom);
  context_.uc_link = nullptr;
  makecontext(&context_, enter, 0);
}

void Fiber::switch_to(Fiber& from, const Fiber& to) {
  swapcontext(&from.context_, &to.context_);
}

#endif

namespace {
constexpr size_t page = 4096;
}

Stacks::~Stacks() {
  for (uint8_t* stack : stacks_) munmap(stack - page, Stacks::stack_bytes + page);
}

void Stacks::reserve(size_t count) {
  while (stacks_.size() < count) {
    void* memory = mmap(nullptr, stack_bytes + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory, page, PROT_NONE);
    stacks_.push_back(static_cast<uint8_t*>(memory) + page);
  }
}

}  // namespace heed::emulator
