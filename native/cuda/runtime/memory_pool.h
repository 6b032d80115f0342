// Caches a device's memory between uses.
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
  size_t cached = 0;  // kept for reuse
  size_t peak = 0;    // the maximum of `used` so far
  size_t limit = 0;   // for used and cached together
};

// All work on a device is ordered on its single stream. So returned memory may be reused at once, although
// kernels launched before still use it: anything launched on it later runs later. The caller that returns
// memory has already enqueued all its work on it.
class MemoryPool {
 public:
  MemoryPool(Driver& driver, int device, Stream stream) : driver_(driver), device_(device), stream_(stream) {}
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // Aligned to 256 bytes and uninitialised. Throws OutOfDeviceMemory if freeing all cached memory does not
  // make enough room.
  void* allocate(size_t bytes);
  void free(void* memory, size_t bytes) noexcept;

  void set_limit(size_t bytes);
  // Returns the cached memory to the driver, which waits for the device.
  void trim();
  MemoryStatistics statistics() const;

  // The size allocated for `bytes`: eight sizes between powers of two, so that at most an eighth is wasted.
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
    std::vector<void*> cached;  // the most recently returned is reused first
    size_t blocks = 0;  // the total number of blocks of this size, so that returning one needs no allocation
  };
  std::array<SizeClass, classes> classes_;
  size_t used_ = 0, cached_ = 0, peak_ = 0, limit_ = SIZE_MAX;
};

// Memory from a pool, for the lifetime of this object.
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
