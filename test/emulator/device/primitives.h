// Kernels that do one thing each, with the wrappers of native/cuda/device, to words of 32 bits: compiled for
// the emulator and for GPUs alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace heed::cuda {

struct Primitive {
  std::string name;
  size_t in_words, out_words;
  void (*launch)(const uint32_t* in, uint32_t* out);  // on memory of the device; the output is written whole
};

const std::vector<Primitive>& primitives();

}  // namespace heed::cuda
