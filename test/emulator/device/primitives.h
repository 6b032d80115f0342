// Kernels that perform one operation each on 32-bit words, with the wrappers of native/cuda/device: compiled
// for the emulator and for GPUs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace heed::cuda {

struct Primitive {
  std::string name;
  size_t in_words, out_words;
  void (*launch)(const uint32_t* in, uint32_t* out);  // on device memory; the whole output is written
};

const std::vector<Primitive>& primitives();

}  // namespace heed::cuda
