// Runs the tests of wrappers on a GPU. Where there is none, ends with 77, which no test case does: whoever
// only wanted to have them compiled can tell it from a failure, and nobody takes it for a comparison.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstdio>

#include "support/random.h"

int main(int count, char** arguments) {
  int devices = 0;
  cudaDeviceProp properties{};
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0 ||
      cudaGetDeviceProperties(&properties, 0) != cudaSuccess) {
    std::printf("there is no GPU: the wrappers' two bodies were compiled, and not compared\n");
    return 77;
  }
  std::printf("on %s, compute capability %d.%d\n", properties.name, properties.major, properties.minor);
  heed::test::seed();
  return doctest::Context(count, arguments).run();
}
