// Device memory of one operation, from the GPU.
#pragma once

#include <memory>
#include <vector>

#include "cuda/workspace.h"
#include "machine/device_memory.h"
#include "on_gpu/device/gpu_memory.h"

namespace heed::emulator {

class EmulatedWorkspace : public cuda::Workspace {
 public:
  static constexpr cuda::DeviceCapacity h200 = {132, 228 * 1024};

  explicit EmulatedWorkspace(Machine& /*machine*/, cuda::DeviceCapacity capacity = h200)
      : Workspace(nullptr), capacity_(capacity) {}
  using Workspace::upload;

  cuda::DeviceCapacity capacity() const override { return capacity_; }

  void* allocate(size_t bytes) override {
    memories_.push_back(std::make_unique<GpuMemory>(bytes));
    return memories_.back()->data();
  }
  const void* upload(const void* bytes, size_t count) override {
    void* memory = allocate(count);
    copy(memory, bytes, count);
    return memory;
  }

 private:
  cuda::DeviceCapacity capacity_;
  std::vector<std::unique_ptr<GpuMemory>> memories_;
};

}  // namespace heed::emulator
