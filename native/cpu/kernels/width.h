// The number of floats in a vector register of each instruction set, the intrinsics that its units may use,
// and which kernels it has of its own.
#pragma once

#ifndef HEED_ISA
#error \
    "compile the kernels once per instruction set with -DHEED_ISA=baseline, avx2, avxvnni, avx512, avx512vnni, avx512bf16 or dotprod"
#endif

#define HEED_LANES_baseline 4
#define HEED_LANES_avx2 8
#define HEED_LANES_avxvnni 8
#define HEED_LANES_avx512 16
#define HEED_LANES_avx512vnni 16
#define HEED_LANES_avx512bf16 16
#define HEED_LANES_dotprod 4

// Whether the set sums products of four bytes (integer_dot.h).
#define HEED_BYTE_DOTS_baseline 0
#define HEED_BYTE_DOTS_avx2 0
#define HEED_BYTE_DOTS_avxvnni 1
#define HEED_BYTE_DOTS_avx512 0
#define HEED_BYTE_DOTS_avx512vnni 1
#define HEED_BYTE_DOTS_avx512bf16 1
#define HEED_BYTE_DOTS_dotprod 1

// Whether the set multiplies pairs of bfloat16 (pair_product.h).
#define HEED_PAIRS_baseline 0
#define HEED_PAIRS_avx2 0
#define HEED_PAIRS_avxvnni 0
#define HEED_PAIRS_avx512 0
#define HEED_PAIRS_avx512vnni 0
#define HEED_PAIRS_avx512bf16 1
#define HEED_PAIRS_dotprod 0

// The set from which it takes the kernels of kernels.h that would be the same.
#define HEED_SHARED_baseline baseline
#define HEED_SHARED_avx2 avx2
#define HEED_SHARED_avxvnni avx2
#define HEED_SHARED_avx512 avx512
#define HEED_SHARED_avx512vnni avx512
#define HEED_SHARED_avx512bf16 avx512
#define HEED_SHARED_dotprod baseline

#define HEED_JOIN_(name, isa) HEED_##name##_##isa
#define HEED_JOIN(name, isa) HEED_JOIN_(name, isa)
#define HEED_LANES HEED_JOIN(LANES, HEED_ISA)
#define HEED_BYTE_DOTS HEED_JOIN(BYTE_DOTS, HEED_ISA)
#define HEED_PAIRS HEED_JOIN(PAIRS, HEED_ISA)
#define HEED_SHARED HEED_JOIN(SHARED, HEED_ISA)

// The compiler's macros alone do not decide: with -march=native, for example, a unit may support more than
// vectors of its width need. Tests also compile 16 lanes to AVX2.
#if HEED_LANES == 16 && defined(__AVX512F__)
#define HEED_USE_AVX512
#elif HEED_LANES >= 8 && defined(__AVX2__)
#define HEED_USE_AVX2
#endif
#if HEED_LANES == 4 && defined(__aarch64__)
#define HEED_USE_NEON
#endif
#if HEED_BYTE_DOTS && HEED_LANES == 16 && defined(__AVX512VNNI__)
#define HEED_USE_AVX512VNNI
#elif HEED_BYTE_DOTS && HEED_LANES == 8 && defined(__AVXVNNI__)
#define HEED_USE_AVXVNNI
#endif
#if HEED_BYTE_DOTS && defined(HEED_USE_NEON) && defined(__ARM_FEATURE_DOTPROD)
#define HEED_USE_DOTPROD
#endif
#if HEED_PAIRS && defined(__AVX512BF16__)
#define HEED_USE_AVX512BF16
#endif

namespace heed::cpu::HEED_ISA {

constexpr int lanes = HEED_LANES;
#if defined(HEED_USE_NEON)
constexpr bool has_32_registers = true;
#else
constexpr bool has_32_registers = lanes == 16;
#endif
constexpr bool has_pair_products = HEED_PAIRS;

}  // namespace heed::cpu::HEED_ISA
