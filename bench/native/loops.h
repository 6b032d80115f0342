// Loops that do one thing as fast as the processor can, for machine.cc to time.
#pragma once

#include <cstddef>

namespace heed::bench {

struct Loops {
  int lanes;
  // Operations of one call, two for each fused multiply-add.
  double operations;
  void (*multiply_add)();
  // Terms v tanh(a + b) of additive scores, once e^2a and e^2b are there, of one call.
  double terms;
  void (*add_terms)();
  // Reads every byte once. Which of the variants is the fastest depends on where the bytes are.
  int read_variants;
  void (*read)(int variant, const char* begin, size_t bytes);
};

// bench/native/loops.cc, compiled once for each instruction set.
namespace baseline {
extern const Loops loops;
}
namespace avx2 {
extern const Loops loops;
}
namespace avx512 {
extern const Loops loops;
}

}  // namespace heed::bench
