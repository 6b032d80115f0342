// Memory like that of a GPU: aligned to 256 bytes, accessible to kernels exactly to the byte, and surrounded
// by memory that they may not access.
#pragma once

#if defined(HEED_ON_GPU)
#include "on_gpu/device/device_memory.h"
#else

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "machine/machine.h"

namespace heed::emulator {

class DeviceMemory {
 public:
  enum class Use : uint8_t { input, output, in_out };
  // A copy of `values`, or 0xff throughout: NaN in every type. Begins `offset` bytes after an aligned
  // address.
  DeviceMemory(Machine& machine, std::string name, Use use, const void* values, size_t bytes,
               size_t offset = 0)
      : machine_(&machine), bytes_(bytes), memory_(bytes + offset + 2 * gap, 0xff) {
    const auto begin = reinterpret_cast<uintptr_t>(memory_.data());
    data_ = memory_.data() + ((begin + gap / 2 + 255) / 256 * 256 - begin) + offset;
    if (values != nullptr && bytes > 0) std::memcpy(data_, values, bytes);
    switch (use) {
      case Use::input:
        machine.input(data_, bytes, std::move(name));
        break;
      case Use::output:
        machine.output(data_, bytes, std::move(name));
        break;
      case Use::in_out:
        machine.in_out(data_, bytes, std::move(name));
        break;
    }
  }
  template <class T>
  DeviceMemory(Machine& machine, std::string name, Use use, const std::vector<T>& values)
      : DeviceMemory(machine, std::move(name), use, values.data(), values.size() * sizeof(T)) {}
  ~DeviceMemory() { machine_->remove(data_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }
  // For tests that also run on a GPU, whose memory the host cannot read in place.
  void read_back(void* to) const {
    if (bytes_ > 0) std::memcpy(to, data_, bytes_);
  }

 private:
  static constexpr size_t gap = 1024;
  Machine* machine_;
  size_t bytes_;
  std::vector<uint8_t> memory_;
  uint8_t* data_;
};

// On a GPU this is memory that the host cannot read in place.
using RemoteMemory = DeviceMemory;

}  // namespace heed::emulator

#endif
