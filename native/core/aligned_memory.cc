#include "core/aligned_memory.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace heed {

namespace {

// A stream of weights passes many small pages, each with an address to look up. Systems that give large ones
// on request only are asked, for whole ones: so no memory is wasted.
constexpr size_t large_page = size_t{1} << 21;

}  // namespace

AlignedMemory aligned_memory(size_t bytes) {
  const bool large = bytes >= large_page;
  const std::align_val_t alignment{large ? large_page : 64};
  AlignedMemory memory(::operator new(bytes, alignment), {alignment});
#ifdef MADV_HUGEPAGE
  if (large) madvise(memory.get(), bytes / large_page * large_page, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace heed
