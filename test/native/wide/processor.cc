// Stands in for native/cpu/processor.cc where the 16-lane kernels were compiled to AVX2 instructions
// (HEED_WIDE_ON_AVX2): claims AVX-512, so that their shape is tested on processors without it.
#include "cpu/processor.h"

namespace heed::cpu {

Processor detect_processor() {
  return {.avx2 = true, .avx512 = true};
}

}  // namespace heed::cpu
