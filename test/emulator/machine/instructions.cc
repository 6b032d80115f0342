// The functions that the wrappers of native/cuda/device call.
#include "cuda/device/emulator.h"

#include <cstring>

#include "machine/block.h"
#include "machine/launch_queue.h"
#include "machine/machine.h"
#include "machine/operations.h"

// The call of the wrapper: wrappers are inlined into kernels, these functions are not.
#define HEED_SITE heed::emulator::Machine::current().sites.of(__builtin_return_address(0))

namespace heed::cuda::emulator {

using heed::emulator::Block;
using heed::emulator::current_thread;
using heed::emulator::Machine;
using heed::emulator::Thread;

void launch(Stream stream, const void* kernel, const Shape& shape, const void* parameters,
            size_t parameter_bytes, void (*enter)(const void*)) {
  if (stream == nullptr) return Machine::current().launch(kernel, shape, parameters, parameter_bytes, enter);
  heed::emulator::LaunchQueue::of(stream).launch(kernel, shape, parameters, parameter_bytes, enter);
}

uint32_t thread_index() {
  return current_thread->index;
}
uint32_t thread_count() {
  return current_thread->block->shape().threads;
}
uint32_t block_index() {
  return current_thread->block->index();
}
void* shared_memory() {
  return current_thread->block->shared_memory();
}

void warp_sync(uint32_t mask) {
  Thread& thread = *current_thread;
  thread.block->meet(thread, heed::emulator::sync_lanes, 0, mask, nullptr, HEED_SITE);
}

uint32_t ballot(uint32_t mask, bool predicate) {
  Thread& thread = *current_thread;
  heed::emulator::BallotOperands operands{predicate, 0};
  thread.block->meet(thread, heed::emulator::vote, 0, mask, &operands, HEED_SITE);
  return operands.result;
}

uint32_t shuffle(uint32_t mask, uint32_t value, uint32_t source) {
  Thread& thread = *current_thread;
  heed::emulator::ShuffleOperands operands{value, source, 0};
  thread.block->meet(thread, heed::emulator::shuffle_lanes, 0, mask, &operands, HEED_SITE);
  return operands.result;
}

void multiply_accumulate(MatrixType type, float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Thread& thread = *current_thread;
  heed::emulator::MultiplyOperands operands{type, sums, a, b};
  thread.block->meet(thread, heed::emulator::multiply_matrices, static_cast<uint32_t>(type), 0xffffffff,
                     &operands, HEED_SITE);
}

void load_matrices(uint32_t (&fragments)[4], const void* row, bool transposed) {
  Thread& thread = *current_thread;
  heed::emulator::MatricesOperands operands{reinterpret_cast<uintptr_t>(row), fragments, transposed};
  thread.block->meet(thread, heed::emulator::load_matrices, transposed, 0xffffffff, &operands, HEED_SITE);
}

void block_sync() {
  current_thread->block->sync(*current_thread, HEED_SITE);
}

void copy_async(void* shared, const void* global, uint32_t bytes, uint32_t valid_bytes) {
  current_thread->block->copy_async(
      *current_thread, {reinterpret_cast<uintptr_t>(shared), reinterpret_cast<uintptr_t>(global), bytes,
                        valid_bytes, HEED_SITE});
}
void commit_copies() {
  current_thread->groups.push_back(std::move(current_thread->uncommitted));
  current_thread->uncommitted.clear();
}
void wait_for_copies(uint32_t pending_groups) {
  current_thread->block->land_copies(*current_thread, pending_groups);
}

void load(Space space, void* value, const void* from, uint32_t bytes) {
  current_thread->block->access_in(space, *current_thread, reinterpret_cast<uintptr_t>(from), bytes,
                                   Block::Kind::read, HEED_SITE);
  std::memcpy(value, from, bytes);
}
void store(Space space, void* to, const void* value, uint32_t bytes) {
  current_thread->block->access_in(space, *current_thread, reinterpret_cast<uintptr_t>(to), bytes,
                                   Block::Kind::write, HEED_SITE);
  std::memcpy(to, value, bytes);
}

void atomic_exchange(void* at, void* before, const void* value, uint32_t bytes) {
  // Threads of the emulator take turns, and no switch happens in this function.
  current_thread->block->access(*current_thread, reinterpret_cast<uintptr_t>(at), bytes, Block::Kind::atomic,
                                HEED_SITE, true);
  std::memcpy(before, at, bytes);
  std::memcpy(at, value, bytes);
}

uint32_t atomic_add(uint32_t* at, uint32_t value) {
  current_thread->block->access(*current_thread, reinterpret_cast<uintptr_t>(at), sizeof value,
                                Block::Kind::atomic, HEED_SITE, true);
  const uint32_t before = *at;
  *at = before + value;
  return before;
}

void count_exponential() {
  Machine::current().site_counts.at(HEED_SITE).exponentials += 1;
}

}  // namespace heed::cuda::emulator
