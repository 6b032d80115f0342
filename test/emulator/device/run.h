// Runs a primitive on an input, on the emulator or on a GPU, and returns its output.
#pragma once

#include <cstdint>
#include <vector>

#include "device/primitives.h"

namespace heed::test {

std::vector<uint32_t> run(const cuda::Primitive& primitive, const std::vector<uint32_t>& in);

}  // namespace heed::test
