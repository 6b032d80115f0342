// The memory that a problem touches.
#pragma once

#include <cstddef>
#include <vector>

#include "core/problem.h"

namespace heed {

// Places are the addresses where views begin. A problem reads all its inputs before it writes anything.
struct Accesses {
  struct Write {
    const void* data = nullptr;
    size_t bytes = 0;  // that are certainly written, none of them twice
  };
  std::vector<const void*> reads;
  std::vector<Write> writes;
};

// Null pointers stand for results that were not requested.
Accesses accesses_of(const Problem& problem);

}  // namespace heed
