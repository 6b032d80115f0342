// A ceiling for kernels that multiply by mma.sync: warps that multiply operands in registers, and do nothing
// else.
#pragma once

#include "cuda/stream.h"
#include "problems.h"

namespace heed::bench {

// Throws std::invalid_argument for types that matrix instructions of heed's kernels do not multiply.
void matrix_loop(const HeedMatrixLoop& asked, cuda::Stream stream);

}  // namespace heed::bench
