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
  explicit EmulatedWorkspace(Machine& /*machine*/) : Workspace(nullptr) {}
  using Workspace::upload;

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
  std::vector<std::unique_ptr<GpuMemory>> memories_;
};

}  // namespace heed::emulator
