// Replaces native/cpu/processor.cc if the 16-lane kernels are compiled to AVX2 instructions
// (HEED_WIDE_ON_AVX2): reports AVX-512 and what else is compiled to them, so that their shape is tested on
// processors without it.
#include "cpu/processor.h"

namespace heed::cpu {

Processor detect_processor() {
  return {.avx2 = true, .avxvnni = true, .avx512 = true, .avx512vnni = true, .avx512bf16 = true};
}

}  // namespace heed::cpu
