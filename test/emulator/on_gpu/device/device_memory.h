// Memory that tests pass to kernels, with the interface of the emulator's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "machine/machine.h"
#include "on_gpu/device/gpu_memory.h"

namespace heed::emulator {

template <class Memory>
class BasicDeviceMemory {
 public:
  enum class Use : uint8_t { input, output, in_out };
  BasicDeviceMemory(Machine& /*machine*/, const std::string& /*name*/, Use /*use*/, const void* values,
                    size_t bytes, size_t offset = 0)
      : bytes_(bytes), memory_(bytes + offset), data_(static_cast<char*>(memory_.data()) + offset) {
    if (values != nullptr) copy(data_, values, bytes);
  }
  template <class T>
  BasicDeviceMemory(Machine& machine, const std::string& name, Use use, const std::vector<T>& values)
      : BasicDeviceMemory(machine, name, use, values.data(), values.size() * sizeof(T)) {}

  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data());
  }
  size_t bytes() const { return bytes_; }
  void read_back(void* to) const { copy(to, data_, bytes_); }

 private:
  size_t bytes_;
  Memory memory_;
  void* data_;
};

// Pinned host memory, which an oracle may read in place.
using DeviceMemory = BasicDeviceMemory<PinnedMemory>;
// GPU memory, whose bounds memcheck checks.
using RemoteMemory = BasicDeviceMemory<GpuMemory>;

}  // namespace heed::emulator
