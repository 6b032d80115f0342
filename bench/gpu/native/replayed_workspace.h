// The memory of an operation that runs many times: every run receives the allocations of the first.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/workspace.h"

namespace heed::bench {

inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string(call) + " failed: " + cudaGetErrorName(status) + ", " +
                           cudaGetErrorString(status));
}

// Measures a kernel without allocation and without the upload of tables, which a run from JavaScript adds.
class ReplayedWorkspace : public cuda::Workspace {
 public:
  using Workspace::upload;
  using Workspace::Workspace;
  ~ReplayedWorkspace() override {
    for (const Block& block : blocks_) cudaFree(block.data);
  }

  // Called before each run.
  void rewind() { next_ = 0; }

  cuda::DeviceCapacity capacity() const override {
    int device = 0, multiprocessors = 0, shared_bytes = 0;
    check(cudaGetDevice(&device), "cudaGetDevice");
    check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
          "cudaDeviceGetAttribute");
    check(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerMultiprocessor, device),
          "cudaDeviceGetAttribute");
    return {multiprocessors, static_cast<size_t>(shared_bytes)};
  }
  void* allocate(size_t bytes) override { return block(bytes).data; }
  const void* upload(const void* bytes, size_t count) override {
    Block& found = block(count);
    const auto* begin = static_cast<const char*>(bytes);
    if (found.content.size() == count && std::memcmp(found.content.data(), begin, count) == 0)
      return found.data;
    found.content.assign(begin, begin + count);
    check(cudaMemcpy(found.data, bytes, count, cudaMemcpyHostToDevice), "cudaMemcpy");
    return found.data;
  }

 private:
  struct Block {
    void* data;
    size_t bytes;
    std::vector<char> content;
  };
  Block& block(size_t bytes) {
    if (next_ == blocks_.size()) {
      void* data = nullptr;
      check(cudaMalloc(&data, bytes), "cudaMalloc");
      blocks_.push_back({data, bytes, {}});
    }
    Block& found = blocks_[next_++];
    if (found.bytes < bytes) throw std::logic_error("an operation asks for more than the first time");
    return found;
  }

  std::vector<Block> blocks_;
  size_t next_ = 0;
};

}  // namespace heed::bench
