// Device memory of one operation on the emulator: a kernel must write it before it reads it.
#pragma once

#if defined(HEED_ON_GPU)
#include "on_gpu/device/workspace.h"
#else

#include <memory>
#include <vector>

#include "cuda/workspace.h"
#include "machine/device_memory.h"

namespace heed::emulator {

class EmulatedWorkspace : public cuda::Workspace {
 public:
  static constexpr cuda::DeviceCapacity h200 = {132, 228 * 1024};

  explicit EmulatedWorkspace(Machine& machine, cuda::DeviceCapacity capacity = h200)
      : Workspace(nullptr), machine_(machine), capacity_(capacity) {}
  using Workspace::upload;

  cuda::DeviceCapacity capacity() const override { return capacity_; }

  void* allocate(size_t bytes) override {
    return add("workspace", DeviceMemory::Use::output, nullptr, bytes);
  }
  const void* upload(const void* bytes, size_t count) override {
    return add("upload", DeviceMemory::Use::input, bytes, count);
  }

 private:
  void* add(const char* name, DeviceMemory::Use use, const void* values, size_t bytes) {
    memories_.push_back(std::make_unique<DeviceMemory>(machine_, name, use, values, bytes));
    return memories_.back()->data();
  }

  Machine& machine_;
  cuda::DeviceCapacity capacity_;
  std::vector<std::unique_ptr<DeviceMemory>> memories_;
};

}  // namespace heed::emulator

#endif
