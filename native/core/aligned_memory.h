// Memory for what kernels read and write in vectors.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace heed {

struct FreeAligned {
  std::align_val_t alignment{64};
  void operator()(void* memory) const { ::operator delete(memory, alignment); }
};
using AlignedMemory = std::unique_ptr<void, FreeAligned>;

// At least aligned to 64 bytes, and not initialised. Throws std::bad_alloc.
AlignedMemory aligned_memory(size_t bytes);

}  // namespace heed
