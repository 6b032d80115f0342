#include "cpu/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace heed::cpu {

#if defined(__x86_64__)

namespace {

// The registers that the operating system saves on a context switch (XGETBV); the processor may have wider
// ones.
uint64_t saved_state() {
  uint32_t low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

}  // namespace

Processor detect_processor() {
  Processor processor;
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return processor;
  const bool os_saves = c & bit_OSXSAVE, fma = c & bit_FMA, f16c = c & bit_F16C;
  if (!os_saves || !fma || !f16c || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return processor;
  constexpr uint64_t ymm = 0x6, zmm = 0xe6;
  const uint64_t state = saved_state();
  processor.avx2 = (state & ymm) == ymm && (b & bit_AVX2);
  processor.avx512 = processor.avx2 && (state & zmm) == zmm && (b & bit_AVX512F) && (b & bit_AVX512BW) &&
                     (b & bit_AVX512DQ) && (b & bit_AVX512VL);
  processor.avx512vnni = processor.avx512 && (c & bit_AVX512VNNI);
  if (a < 1 || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return processor;
  constexpr uint32_t bit_of_avxvnni = 1 << 4, bit_of_avx512bf16 = 1 << 5;  // in EAX
  processor.avxvnni = processor.avx2 && (a & bit_of_avxvnni);
  processor.avx512bf16 = processor.avx512vnni && (a & bit_of_avx512bf16);
  return processor;
}

#elif defined(__aarch64__) && defined(__linux__)

Processor detect_processor() {
  Processor processor;
  processor.dotprod = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
  return processor;
}

#else

Processor detect_processor() {
  return {};
}

#endif

}  // namespace heed::cpu
