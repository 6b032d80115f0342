// The number of floats in a vector register of each instruction set, and the intrinsics that its unit may
// use.
#pragma once

#ifndef HEED_ISA
#error \
    "compile the kernels once per instruction set with -DHEED_ISA=baseline, avx2, avxvnni, avx512 or avx512vnni"
#endif

#define HEED_LANES_baseline 4
#define HEED_LANES_avx2 8
#define HEED_LANES_avxvnni 8
#define HEED_LANES_avx512 16
#define HEED_LANES_avx512vnni 16

// Whether the set sums products of four bytes (integer_dot.h).
#define HEED_BYTE_DOTS_baseline 0
#define HEED_BYTE_DOTS_avx2 0
#define HEED_BYTE_DOTS_avxvnni 1
#define HEED_BYTE_DOTS_avx512 0
#define HEED_BYTE_DOTS_avx512vnni 1

#define HEED_JOIN_(name, isa) HEED_##name##_##isa
#define HEED_JOIN(name, isa) HEED_JOIN_(name, isa)
#define HEED_LANES HEED_JOIN(LANES, HEED_ISA)
#define HEED_BYTE_DOTS HEED_JOIN(BYTE_DOTS, HEED_ISA)

// The compiler's macros alone do not decide: with -march=native, for example, a unit may support more than
// vectors of its width need. Tests also compile 16 lanes to AVX2.
#if HEED_LANES == 16 && defined(__AVX512F__)
#define HEED_USE_AVX512
#elif HEED_LANES >= 8 && defined(__AVX2__)
#define HEED_USE_AVX2
#endif
#if HEED_BYTE_DOTS && HEED_LANES == 16 && defined(__AVX512VNNI__)
#define HEED_USE_AVX512VNNI
#elif HEED_BYTE_DOTS && HEED_LANES == 8 && defined(__AVXVNNI__)
#define HEED_USE_AVXVNNI
#endif

namespace heed::cpu::HEED_ISA {

constexpr int lanes = HEED_LANES;

}  // namespace heed::cpu::HEED_ISA
