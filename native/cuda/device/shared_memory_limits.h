// How much dynamic shared memory kernels were allowed to use.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <utility>

namespace heed::cuda {

// CUDA allows a kernel more than 48 KiB only when asked to, for each device.
class SharedMemoryLimits {
 public:
  // Calls raise() if the kernel was not allowed as much on this device before. If it throws, the limit stays.
  template <class F>
  void ensure(const void* kernel, int device, size_t bytes, F raise) {
    const std::lock_guard lock(mutex_);
    size_t& allowed = allowed_[{kernel, device}];
    if (bytes <= allowed) return;
    raise();
    allowed = bytes;
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<const void*, int>, size_t> allowed_;
};

}  // namespace heed::cuda
