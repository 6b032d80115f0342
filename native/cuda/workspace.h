// Device memory with the lifetime of one operation.
#pragma once

#include <cstddef>
#include <vector>

#include "cuda/kernel_launch.h"

namespace heed::cuda {

// What of a device decides how work is divided among blocks.
struct DeviceCapacity {
  int multiprocessors = 1;
  size_t shared_bytes = 0;  // of a multiprocessor
};

// The code that launches an operation provides the workspace and keeps it until the operation is on the
// stream. Memory is aligned to 256 bytes. Throws std::bad_alloc if none is left.
class Workspace {
 public:
  explicit Workspace(Stream stream) : stream_(stream) {}
  virtual ~Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  virtual DeviceCapacity capacity() const = 0;

  // The launch sees everything that was uploaded before, and comes after all launches before.
  virtual void launch(KernelLaunch&& launch) { launch.start(launch, stream_); }

  // Uninitialised.
  virtual void* allocate(size_t bytes) = 0;
  // Returns a copy of host bytes for later launches. The host may reuse its memory at once.
  virtual const void* upload(const void* bytes, size_t count) = 0;
  // The same for bytes that later operations bring again: they may be there already.
  virtual const void* upload_kept(const void* bytes, size_t count) { return upload(bytes, count); }

  // Null for an empty list.
  template <class T>
  const T* upload(const std::vector<T>& values) {
    return values.empty() ? nullptr : static_cast<const T*>(upload(values.data(), values.size() * sizeof(T)));
  }
  template <class T>
  const T* upload_kept(const std::vector<T>& values) {
    return values.empty() ? nullptr
                          : static_cast<const T*>(upload_kept(values.data(), values.size() * sizeof(T)));
  }
  template <class T>
  T* allocate_array(size_t count) {
    return static_cast<T*>(allocate(count * sizeof(T)));
  }

 private:
  Stream stream_;
};

}  // namespace heed::cuda
