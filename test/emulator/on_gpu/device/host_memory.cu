// Allocates every array of the tests in memory that the GPU accesses at the same address: pinned, from one
// large block, through operator new. So tests that pass host pointers to kernels run unchanged. It does not
// use managed memory, whose pages would migrate between host and GPU at every access.
#include "on_gpu/device/host_memory.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

namespace {

// Blocks of powers of two, with a free list for each size.
class PinnedMemory {
 public:
  // Null before `reserve`, or if no memory is left.
  void* allocate(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto size = static_cast<size_t>(std::bit_width(std::max(bytes + sizeof(Head), smallest) - 1));
    Head*& list = free_[size];
    Head* found = list;
    if (found != nullptr) {
      list = found->next;
    } else {
      const size_t length = size_t{1} << size;
      if (begin_ == nullptr || length > reserved - used_) return nullptr;
      found = reinterpret_cast<Head*>(begin_ + used_);
      used_ += length;
    }
    found->size = size;
    return found + 1;
  }
  void release(void* data) {
    const std::lock_guard lock(mutex_);
    Head* head = static_cast<Head*>(data) - 1;
    const size_t size = head->size;
    head->next = free_[size];
    free_[size] = head;
  }
  bool owns(const void* data) const {
    return begin_ != nullptr && data >= begin_ && data < begin_ + reserved;
  }

  bool reserve() {
    // Tests read results as soon as the launch has returned.
    setenv("CUDA_LAUNCH_BLOCKING", "1", 1);
    void* data = nullptr;
    if (cudaMallocHost(&data, reserved) != cudaSuccess) return false;
    const std::lock_guard lock(mutex_);
    begin_ = static_cast<char*>(data);
    return true;
  }

 private:
  // The header before a block: its size if it is used, the next free block otherwise.
  union alignas(16) Head {
    size_t size;
    Head* next;
  };
  static constexpr size_t smallest = 64, reserved = size_t{1} << 29;

  std::mutex mutex_;
  std::array<Head*, 64> free_{};
  char* begin_ = nullptr;
  size_t used_ = 0;
};

constinit PinnedMemory memory;

void* allocate(size_t bytes) {
  void* found = memory.allocate(bytes);
  if (found == nullptr) found = std::malloc(bytes);
  if (found == nullptr) throw std::bad_alloc();
  return found;
}

void release(void* data) {
  if (memory.owns(data)) {
    memory.release(data);
  } else {
    std::free(data);
  }
}

}  // namespace

bool heed::test::reserve_host_memory() {
  return memory.reserve();
}

void* operator new(size_t bytes) {
  return allocate(bytes);
}
void* operator new[](size_t bytes) {
  return allocate(bytes);
}
void operator delete(void* data) noexcept {
  release(data);
}
void operator delete[](void* data) noexcept {
  release(data);
}
void operator delete(void* data, size_t /*bytes*/) noexcept {
  release(data);
}
void operator delete[](void* data, size_t /*bytes*/) noexcept {
  release(data);
}
