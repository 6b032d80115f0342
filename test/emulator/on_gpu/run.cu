#include <cuda_runtime.h>

#include <stdexcept>

#include "device/run.h"

namespace heed::test {

namespace {

void check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

struct OnDevice {
  explicit OnDevice(size_t words) { check(cudaMalloc(&data, words * sizeof(uint32_t))); }
  ~OnDevice() { cudaFree(data); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  uint32_t* data = nullptr;
};

}  // namespace

std::vector<uint32_t> run(const cuda::Primitive& primitive, const std::vector<uint32_t>& in) {
  std::vector<uint32_t> result(primitive.out_words);
  const OnDevice from(in.size()), to(result.size());
  check(cudaMemcpy(from.data, in.data(), in.size() * sizeof(uint32_t), cudaMemcpyHostToDevice));
  check(cudaMemset(to.data, 0xff, result.size() * sizeof(uint32_t)));
  primitive.launch(from.data, to.data);
  check(cudaDeviceSynchronize());
  check(cudaMemcpy(result.data(), to.data, result.size() * sizeof(uint32_t), cudaMemcpyDeviceToHost));
  return result;
}

}  // namespace heed::test
