#include "on_gpu/device/gpu_memory.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace heed::emulator {

namespace {

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string(call) + " failed: " + cudaGetErrorString(status));
}

// Without poison, because initcheck would count it as written.
bool is_poisoned() {
  static const bool poisoned = std::getenv("HEED_TEST_UNWRITTEN") == nullptr;
  return poisoned;
}

}  // namespace

GpuMemory::GpuMemory(size_t bytes) {
  const size_t least = std::max<size_t>(bytes, 1);
  check(cudaMalloc(&data_, least), "cudaMalloc");
  if (is_poisoned()) check(cudaMemset(data_, 0xff, least), "cudaMemset");
}

GpuMemory::~GpuMemory() {
  cudaFree(data_);
}

PinnedMemory::PinnedMemory(size_t bytes) {
  const size_t least = std::max<size_t>(bytes, 1);
  check(cudaMallocHost(&data_, least), "cudaMallocHost");
  std::memset(data_, 0xff, least);
}

PinnedMemory::~PinnedMemory() {
  cudaFreeHost(data_);
}

void copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) check(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "cudaMemcpy");
}

}  // namespace heed::emulator
