// Memory on the device that lives as long as one operation does.
#pragma once

#include <cstddef>
#include <vector>

#include "cuda/stream.h"

namespace heed::cuda {

// Whoever launches an operation gives it one, and keeps it until the stream has passed the operation. Memory
// is aligned to 256 bytes. Throws std::bad_alloc where there is none left.
class Workspace {
 public:
  explicit Workspace(Stream stream) : stream_(stream) {}
  virtual ~Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // What is launched on it finds everything there that was uploaded before this was called.
  Stream stream() {
    flush();
    return stream_;
  }

  // Nothing is written in it yet.
  virtual void* allocate(size_t bytes) = 0;
  // A copy of the host's bytes, for what is launched later. The host may reuse its own at once.
  virtual const void* upload(const void* bytes, size_t count) = 0;

  // Null for an empty list.
  template <class T>
  const T* upload(const std::vector<T>& values) {
    return values.empty() ? nullptr : static_cast<const T*>(upload(values.data(), values.size() * sizeof(T)));
  }
  template <class T>
  T* allocate_array(size_t count) {
    return static_cast<T*>(allocate(count * sizeof(T)));
  }

 private:
  // Uploads may be put off until here, to go together.
  virtual void flush() {}

  Stream stream_;
};

}  // namespace heed::cuda
