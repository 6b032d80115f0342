// Constants that the compiler has put beside the code: what kernels may read without having been given it.
#pragma once

#include <cstdint>

namespace heed::emulator {

bool is_constant(uintptr_t address, uint32_t bytes);

}  // namespace heed::emulator
