// Loops that perform one operation at the processor's maximum speed; machine.cc times them.
#pragma once

#include <cstddef>

namespace heed::bench {

struct Loops {
  int lanes;
  // Operations per call, two for each fused multiply-add.
  double operations;
  void (*multiply_add)();
  // The same number of products of pairs, four operations each.
  void (*multiply_pairs)();
  // Terms v tanh(a + b) of additive scores per call, with e^2a and e^2b already computed.
  double terms;
  void (*add_terms)();
  // Each variant reads every byte once. Which one is fastest depends on where the bytes are.
  int read_variants;
  void (*read)(int variant, const char* begin, size_t bytes);
};

// bench/native/loops.cc, compiled once per instruction set.
namespace baseline {
extern const Loops loops;
}
namespace avx2 {
extern const Loops loops;
}
namespace avx512 {
extern const Loops loops;
}
namespace avx512bf16 {
extern const Loops loops;
}

}  // namespace heed::bench
