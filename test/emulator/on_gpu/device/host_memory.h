// Arrays of the tests in memory that the GPU accesses at the same address.
#pragma once

namespace heed::emulator {

// From now on, operator new gives pinned memory, as far as it reaches. main() calls it, before everything
// else that calls CUDA: not in a static object's constructor, because CUDA's own may not have run yet.
void allocate_arrays_for_gpu();

}  // namespace heed::emulator
