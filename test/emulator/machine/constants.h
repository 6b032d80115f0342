// Constants that the compiler places beside the code: kernels may read them although no test registered them.
#pragma once

#include <cstdint>

namespace heed::emulator {

bool is_constant(uintptr_t address, uint32_t bytes);

}  // namespace heed::emulator
