// Runs the tests of kernels on a GPU.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstdio>

#include "on_gpu/device/host_memory.h"
#include "support/random.h"

namespace {

// A GPU does not count its work, and offsets beyond 2^31 elements need an address range without memory.
constexpr const char* only_emulated[] = {"*whole sectors*", "*skips tiles*", "*what they hand over*",
                                         "*reads no tile*", "*beyond 2^31*"};

}  // namespace

int main(int count, char** arguments) {
  const bool reserved =
      heed::test::reserve_host_memory();  // before any other call of CUDA reads its settings
  cudaDeviceProp properties{};
  const cudaError_t status = cudaGetDeviceProperties(&properties, 0);
  if (status != cudaSuccess) {
    std::printf("there is no GPU: %s\n", cudaGetErrorString(status));
    return 1;
  }
  if (!reserved) {
    std::printf("there is no pinned memory for the tests\n");
    return 1;
  }
  std::printf("on %s, compute capability %d.%d\n", properties.name, properties.major, properties.minor);
  heed::test::seed();
  doctest::Context context(count, arguments);
  for (const char* name : only_emulated) context.addFilter("test-case-exclude", name);
  return context.run();
}
