// Detects what this processor and its operating system can run.
#pragma once

namespace heed::cpu {

struct Processor {
  bool avx2 = false;        // with FMA and F16C
  bool avx512 = false;      // F, BW, DQ and VL
  bool avx512bf16 = false;  // besides the same
};

Processor detect_processor();

}  // namespace heed::cpu
