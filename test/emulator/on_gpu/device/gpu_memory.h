// GPU memory, host memory that the GPU can access, and copies between them.
#pragma once

#include <cstddef>

namespace heed::emulator {

// Filled with 0xff: NaN in every type. GPU memory stays unwritten if HEED_TEST_UNWRITTEN is set, for
// initcheck.
class GpuMemory {
 public:
  explicit GpuMemory(size_t bytes);
  ~GpuMemory();
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

class PinnedMemory {
 public:
  explicit PinnedMemory(size_t bytes);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

// Copies between any two of them.
void copy(void* to, const void* from, size_t bytes);

}  // namespace heed::emulator
