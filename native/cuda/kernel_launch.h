// A kernel with everything that it is launched with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/stream.h"

namespace heed::cuda {

struct LaunchShape {
  int64_t blocks = 0;  // at least 1, below 2^31
  uint32_t threads = 0;
  size_t shared_bytes = 0;

  bool operator==(const LaunchShape&) const = default;
};

struct KernelLaunch {
  const void* kernel = nullptr;  // its address
  LaunchShape shape;
  std::vector<std::byte> parameters;  // the one struct that the kernel takes
  void (*start)(const KernelLaunch& launch, Stream stream) = nullptr;

  bool operator==(const KernelLaunch&) const = default;
};

}  // namespace heed::cuda
