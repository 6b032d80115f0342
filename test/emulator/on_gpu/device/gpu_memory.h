// Memory of the GPU, memory of the host that it can reach, and copies between them.
#pragma once

#include <cstddef>

namespace heed::emulator {

// 0xff throughout: NaN in every type. The GPU's is unwritten where HEED_TEST_UNWRITTEN is set, for initcheck.
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

// From either to either.
void copy(void* to, const void* from, size_t bytes);

}  // namespace heed::emulator
