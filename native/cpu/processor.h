// Detects what this processor and its operating system can run.
#pragma once

namespace heed::cpu {

struct Processor {
  bool avx2 = false;        // with FMA and F16C
  bool avxvnni = false;     // besides avx2
  bool avx512 = false;      // F, BW, DQ and VL
  bool avx512vnni = false;  // besides avx512
  bool avx512bf16 = false;  // besides avx512vnni
  bool dotprod = false;     // of arm64
};

Processor detect_processor();

}  // namespace heed::cpu
