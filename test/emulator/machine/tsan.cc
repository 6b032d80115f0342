// Replaces ThreadSanitizer's run time: implements the calls that the compiler inserts before every load and
// store of kernels.
#include <cstddef>
#include <cstdint>

#include "machine/block.h"
#include "machine/machine.h"

namespace {

using heed::emulator::Block;
using heed::emulator::current_thread;
using heed::emulator::Thread;

inline void visit(const void* address, uint32_t bytes, Block::Kind kind, bool one_instruction,
                  const void* counter) {
  Thread* thread = current_thread;
  if (thread == nullptr) return;  // host code in a kernel's source file
  const auto at = reinterpret_cast<uintptr_t>(address);
  if (at >= thread->stack_bottom && at < thread->stack_top) return;
  Block& block = *thread->block;
  block.access(*thread, at, bytes, kind, block.machine().sites.of(counter), one_instruction);
}

// Visits objects of any length, word by word.
void visit_range(const void* address, size_t bytes, Block::Kind kind, const void* counter) {
  const auto* at = static_cast<const char*>(address);
  for (const char* end = at + bytes; at < end;) {
    const size_t word = reinterpret_cast<uintptr_t>(at) % 4 == 0 && end - at >= 4 ? 4 : 1;
    visit(at, static_cast<uint32_t>(word), kind, false, counter);
    at += word;
  }
}

}  // namespace

#define HEED_OBSERVE(bytes)                                                        \
  void __tsan_read##bytes(void* address) {                                         \
    visit(address, bytes, Block::Kind::read, true, __builtin_return_address(0));   \
  }                                                                                \
  void __tsan_write##bytes(void* address) {                                        \
    visit(address, bytes, Block::Kind::write, true, __builtin_return_address(0));  \
  }                                                                                \
  void __tsan_unaligned_read##bytes(void* address) {                               \
    visit(address, bytes, Block::Kind::read, false, __builtin_return_address(0));  \
  }                                                                                \
  void __tsan_unaligned_write##bytes(void* address) {                              \
    visit(address, bytes, Block::Kind::write, false, __builtin_return_address(0)); \
  }

extern "C" {
HEED_OBSERVE(1)
HEED_OBSERVE(2)
HEED_OBSERVE(4)
HEED_OBSERVE(8)
HEED_OBSERVE(16)

void __tsan_read_range(void* address, size_t bytes) {
  visit_range(address, bytes, Block::Kind::read, __builtin_return_address(0));
}
void __tsan_write_range(void* address, size_t bytes) {
  visit_range(address, bytes, Block::Kind::write, __builtin_return_address(0));
}
// Used by host code: checks whether a static variable has been initialised.
char __tsan_atomic8_load(const volatile char* address, int) {
  return __atomic_load_n(address, __ATOMIC_SEQ_CST);
}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_init() {}
}
