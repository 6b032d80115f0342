// The number of floats in a vector register of each instruction set, and the intrinsics that its unit may
// use.
#pragma once

#ifndef HEED_ISA
#error "compile the kernels once per instruction set with -DHEED_ISA=baseline, avx2 or avx512"
#endif

#define HEED_LANES_baseline 4
#define HEED_LANES_avx2 8
#define HEED_LANES_avx512 16
#define HEED_LANES_OF_(isa) HEED_LANES_##isa
#define HEED_LANES_OF(isa) HEED_LANES_OF_(isa)
#define HEED_LANES HEED_LANES_OF(HEED_ISA)

// The compiler's macros alone do not decide: with -march=native, for example, a unit may support more than
// vectors of its width need. Tests also compile 16 lanes to AVX2.
#if HEED_LANES == 16 && defined(__AVX512F__)
#define HEED_USE_AVX512
#elif HEED_LANES >= 8 && defined(__AVX2__)
#define HEED_USE_AVX2
#endif

namespace heed::cpu::HEED_ISA {

constexpr int lanes = HEED_LANES;

}  // namespace heed::cpu::HEED_ISA
