// A primitive's output for an input: on the emulator, or on a GPU.
#pragma once

#include <cstdint>
#include <vector>

#include "device/primitives.h"

namespace heed::test {

std::vector<uint32_t> run(const cuda::Primitive& primitive, const std::vector<uint32_t>& in);

}  // namespace heed::test
