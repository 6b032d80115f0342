// A device's memory, kept from one use to the next.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "cuda/runtime/driver.h"

namespace heed::cuda {

struct MemoryStatistics {
  size_t used = 0;    // handed out, in whole size classes
  size_t cached = 0;  // kept for later
  size_t peak = 0;    // the most that was ever used
  size_t limit = 0;   // of used and cached together
};

// Everything on a device is ordered on its one stream. So memory that is given back may be handed out at
// once, though kernels that were launched before still use it: whatever is launched on it later comes later.
// Whoever gives it back has enqueued all that he is going to.
class MemoryPool {
 public:
  MemoryPool(Driver& driver, int device, Stream stream) : driver_(driver), device_(device), stream_(stream) {}
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // Aligned to 256 bytes, nothing written in it. Throws OutOfDeviceMemory, once nothing that is kept for
  // later could make room.
  void* allocate(size_t bytes);
  void free(void* memory, size_t bytes) noexcept;

  void set_limit(size_t bytes);
  // Gives what is kept for later back to the driver, which waits for the device to do so.
  void trim();
  MemoryStatistics statistics() const;

  // How much is taken for so many bytes: eight sizes between powers of two, so that at most an eighth is
  // wasted.
  static size_t rounded(size_t bytes);

 private:
  static constexpr size_t smallest = 512;
  static constexpr size_t classes = 8 * 48;

  static size_t class_of(size_t rounded_bytes);
  void* take(size_t rounded_bytes);
  void* ask_driver(size_t rounded_bytes);
  void release_cached();

  Driver& driver_;
  const int device_;
  const Stream stream_;
  mutable std::mutex mutex_;
  struct SizeClass {
    std::vector<void*> cached;  // the last one given back is the first to be taken again
    size_t blocks = 0;          // of this size that there are, so that giving back needs no memory
  };
  std::array<SizeClass, classes> classes_;
  size_t used_ = 0, cached_ = 0, peak_ = 0, limit_ = SIZE_MAX;
};

// Memory from a pool, for as long as this lives.
class DeviceBlock {
 public:
  DeviceBlock() = default;
  DeviceBlock(MemoryPool& pool, size_t bytes) : pool_(&pool), data_(pool.allocate(bytes)), bytes_(bytes) {}
  DeviceBlock(DeviceBlock&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), data_(other.data_), bytes_(other.bytes_) {}
  DeviceBlock& operator=(DeviceBlock&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~DeviceBlock() {
    if (pool_ != nullptr) pool_->free(data_, bytes_);
  }

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  MemoryPool* pool_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace heed::cuda
