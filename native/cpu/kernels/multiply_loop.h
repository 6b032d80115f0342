// The loop of multiply.h for AVX2, as machine code. A step of a whole tile has 12 multiply-adds, which take
// six cycles. The compiler's loop has 24 instructions, or 27 where it requests what comes next; a core can
// start twice as many in that time, but shared with another thread only half of those, and time goes with the
// number of instructions. Four steps in a turn leave 21 or 22. GCC's own unrolling moves sums between
// registers, which costs as much as it saves.
#pragma once

#include <cstdint>

#include "cpu/kernels/vector.h"

namespace heed::cpu::HEED_ISA {

#if defined(HEED_USE_AVX2) && HEED_LANES == 8 && defined(__x86_64__)

constexpr bool has_multiply_loop = true;

// The broadcast element of row m in step i of a turn, where a row is contiguous, and where a step is.
#define HEED_OF_ROW(m, i) HEED_ROW_##m(i)
#define HEED_ROW_0(i) "4*" #i "(%[a])"
#define HEED_ROW_1(i) "4*" #i "(%[a],%[stride])"
#define HEED_ROW_2(i) "4*" #i "(%[a],%[stride],2)"
#define HEED_ROW_3(i) "4*" #i "(%[a3])"
#define HEED_ROW_4(i) "4*" #i "(%[a3],%[stride])"
#define HEED_ROW_5(i) "4*" #i "(%[a3],%[stride],2)"
#define HEED_OF_STEP(m, i) HEED_STEP_##i(m)
#define HEED_STEP_0(m) "4*" #m "(%[a])"
#define HEED_STEP_1(m) "4*" #m "(%[a],%[stride])"
#define HEED_STEP_2(m) "4*" #m "(%[a],%[stride],2)"
#define HEED_STEP_3(m) "4*" #m "(%[a3])"

// clang-format off: it would fill lines of machine code as if they were words.
#define HEED_CLEAR_ROW(m)                         \
  "vxorps %[sum" #m "0], %[sum" #m "0], %[sum" #m \
  "0]\n\t"                                        \
  "vxorps %[sum" #m "1], %[sum" #m "1], %[sum" #m "1]\n\t"
#define HEED_MULTIPLY_ROW(m, i, address) \
  ".if " #m " < %c[rows]\n\t"                          \
  "vbroadcastss " address(m, i) ", %%ymm15\n\t"        \
  "vfmadd231ps %%ymm13, %%ymm15, %[sum" #m "0]\n\t"    \
  "vfmadd231ps %%ymm14, %%ymm15, %[sum" #m "1]\n\t"    \
  ".endif\n\t"
#define HEED_MULTIPLY_STEP(i, address)                                                                   \
  "vmovups 64*" #i                                                                                       \
  "(%[b]), %%ymm13\n\t"                                                                                  \
  "vmovups 64*" #i "+32(%[b]), %%ymm14\n\t" HEED_MULTIPLY_ROW(0, i, address)                             \
      HEED_MULTIPLY_ROW(1, i, address) HEED_MULTIPLY_ROW(2, i, address) HEED_MULTIPLY_ROW(3, i, address) \
          HEED_MULTIPLY_ROW(4, i, address) HEED_MULTIPLY_ROW(5, i, address)
#define HEED_MULTIPLY_LOOP(address, four_steps_on, one_step_on) \
  asm volatile(                                                                                           \
      HEED_CLEAR_ROW(0) HEED_CLEAR_ROW(1) HEED_CLEAR_ROW(2)                                               \
      HEED_CLEAR_ROW(3) HEED_CLEAR_ROW(4) HEED_CLEAR_ROW(5)                                               \
      "sub $4, %[depth]\n\t"                                                                              \
      "jl 2f\n\t"                                                                                         \
      ".p2align 5\n"                                                                                      \
      "1:\n\t"                                                                                            \
      ".if %c[requests]\n\t"                                                                              \
      "prefetcht1 (%[next])\n\t"                                                                          \
      "prefetcht1 64(%[next])\n\t"                                                                        \
      "add %[distance], %[next]\n\t"                                                                      \
      ".endif\n\t"                                                                                        \
      HEED_MULTIPLY_STEP(0, address)                                                                      \
      HEED_MULTIPLY_STEP(1, address)                                                                      \
      HEED_MULTIPLY_STEP(2, address)                                                                      \
      HEED_MULTIPLY_STEP(3, address)                                                                      \
      "add $256, %[b]\n\t"                                                                                \
      four_steps_on                                                                                       \
      "sub $4, %[depth]\n\t"                                                                              \
      "jge 1b\n"                                                                                          \
      "2:\n\t"                                                                                            \
      "add $4, %[depth]\n\t"                                                                              \
      "jz 4f\n"                                                                                           \
      "3:\n\t"                                                                                            \
      HEED_MULTIPLY_STEP(0, address)                                                                      \
      "add $64, %[b]\n\t"                                                                                 \
      one_step_on                                                                                         \
      "dec %[depth]\n\t"                                                                                  \
      "jnz 3b\n"                                                                                          \
      "4:\n\t"                                                                                            \
      : [sum00] "=&x"(sums[0][0]), [sum01] "=&x"(sums[0][1]), [sum10] "=&x"(sums[1][0]),                  \
        [sum11] "=&x"(sums[1][1]), [sum20] "=&x"(sums[2][0]), [sum21] "=&x"(sums[2][1]),                  \
        [sum30] "=&x"(sums[3][0]), [sum31] "=&x"(sums[3][1]), [sum40] "=&x"(sums[4][0]),                  \
        [sum41] "=&x"(sums[4][1]), [sum50] "=&x"(sums[5][0]), [sum51] "=&x"(sums[5][1]),                  \
        [a] "+r"(a), [a3] "+r"(a3), [b] "+r"(b), [next] "+r"(next), [depth] "+r"(depth)                   \
      : [stride] "r"(stride), [distance] "r"(distance), [rows] "n"(rows), [requests] "n"(int{requests})   \
      : "xmm13", "xmm14", "xmm15", "memory", "cc")
// clang-format on

// acc[m][v] = Σ_k A(m, k) · B[k][v] for 16 columns of B, one after the other in memory. The stride is that of
// multiply.h in bytes. Each turn of four steps requests two lines from `next` on, which moves by `distance`.
template <bool contiguous_rows, int rows, bool requests>
static inline __attribute__((always_inline)) void multiply_loop(const float* a, int64_t stride,
                                                                const float* b, int64_t depth,
                                                                Vec (&acc)[rows][2], const char* next,
                                                                int64_t distance) {
  const char* a3 = reinterpret_cast<const char*>(a) + 3 * stride;
  Vec sums[6][2];
  if constexpr (contiguous_rows) {
    HEED_MULTIPLY_LOOP(HEED_OF_ROW, "add $16, %[a]\n\tadd $16, %[a3]\n\t",
                       "add $4, %[a]\n\tadd $4, %[a3]\n\t");
  } else {
    HEED_MULTIPLY_LOOP(HEED_OF_STEP, "lea (%[a],%[stride],4), %[a]\n\tlea (%[a3],%[stride],4), %[a3]\n\t",
                       "add %[stride], %[a]\n\tadd %[stride], %[a3]\n\t");
  }
#pragma GCC unroll 16
  for (int m = 0; m < rows; ++m) {
    acc[m][0] = sums[m][0];
    acc[m][1] = sums[m][1];
  }
}

#else

constexpr bool has_multiply_loop = false;

template <bool contiguous_rows, int rows, bool requests>
void multiply_loop(const float* a, int64_t stride, const float* b, int64_t depth, Vec (&acc)[rows][2],
                   const char* next, int64_t distance);

#endif

}  // namespace heed::cpu::HEED_ISA
