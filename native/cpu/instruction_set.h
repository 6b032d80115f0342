// Selects the compiled kernels that this process uses.
#pragma once

#include "cpu/backend.h"
#include "cpu/kernels/integer_table.h"
#include "cpu/kernels/table.h"

namespace heed::cpu {

const KernelTable& kernels();
const IntegerTable& integer_kernels();

}  // namespace heed::cpu
