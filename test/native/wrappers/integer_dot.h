// The wrappers of cpu/kernels/integer_dot.h on vectors in memory: what each gives, and what its plain body
// gives.
#pragma once

#include <cstdint>

namespace heed::test {

struct IntegerDotWrappers {
  int64_t bytes;  // of a vector; operands and results are as long
  void (*pair_sums)(const void* a, const void* b, void* sums, void* plain);
  void (*byte_sums)(const void* sum, const void* a, const void* b, void* sums, void* plain);
  void (*magnitudes)(const void* a, void* magnitudes, void* plain);
  // No byte of b may be −128.
  void (*signed_byte_sums)(const void* sum, const void* a, const void* b, void* sums, void* plain);
  void (*look_up)(const uint8_t (&table)[16], const void* codes, void* found, void* plain);
};

}  // namespace heed::test

// One of each instruction set.
namespace heed::cpu {
namespace baseline {
extern const test::IntegerDotWrappers integer_dot_wrappers;
}
namespace avx2 {
extern const test::IntegerDotWrappers integer_dot_wrappers;
}
namespace avxvnni {
extern const test::IntegerDotWrappers integer_dot_wrappers;
}
namespace avx512 {
extern const test::IntegerDotWrappers integer_dot_wrappers;
}
namespace avx512vnni {
extern const test::IntegerDotWrappers integer_dot_wrappers;
}
namespace dotprod {
extern const test::IntegerDotWrappers integer_dot_wrappers;
}
}  // namespace heed::cpu
