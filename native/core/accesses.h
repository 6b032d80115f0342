// Which memory a problem touches.
#pragma once

#include <cstddef>
#include <vector>

#include "core/problem.h"

namespace heed {

// Places are where views begin. All that is read is read before anything is written.
struct Accesses {
  struct Write {
    const void* data = nullptr;
    size_t bytes = 0;  // that are written for sure, none of them twice
  };
  std::vector<const void*> reads;
  std::vector<Write> writes;
};

// Null pointers among them stand for what was not asked for.
Accesses accesses_of(const Problem& problem);

}  // namespace heed
