#include "cpu/instruction_set.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace heed::cpu {

namespace {

#if defined(__x86_64__)
// The registers that the operating system saves on a context switch.
uint64_t saved_state() {
  uint32_t low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

struct Features {
  bool avx2 = false;
  bool avx512 = false;
};

Features detect() {
  Features features;
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return features;
  const bool os_saves = c & bit_OSXSAVE;
  const bool fma = c & bit_FMA, f16c = c & bit_F16C;
  if (!os_saves || !fma || !f16c || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return features;
  constexpr uint64_t ymm = 0x6, zmm = 0xe6;
  const uint64_t state = saved_state();
  features.avx2 = (state & ymm) == ymm && (b & bit_AVX2);
  features.avx512 = features.avx2 && (state & zmm) == zmm && (b & bit_AVX512F) && (b & bit_AVX512BW) &&
                    (b & bit_AVX512DQ) && (b & bit_AVX512VL);
  return features;
}
#endif

const KernelTable& table_of(InstructionSet isa) {
  switch (isa) {
#if defined(HEED_HAVE_AVX512)
    case InstructionSet::avx512:
      return avx512::table;
#endif
#if defined(HEED_HAVE_AVX2)
    case InstructionSet::avx2:
      return avx2::table;
#endif
    default:
      return baseline::table;
  }
}

std::atomic<InstructionSet>& chosen() {
  static std::atomic<InstructionSet> isa{available_instruction_sets().back()};
  return isa;
}

}  // namespace

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets{InstructionSet::baseline};
#if defined(__x86_64__)
  [[maybe_unused]] const Features features = detect();
#if defined(HEED_HAVE_AVX2)
  if (features.avx2) sets.push_back(InstructionSet::avx2);
#endif
#if defined(HEED_HAVE_AVX512)
  if (features.avx512) sets.push_back(InstructionSet::avx512);
#endif
#endif
  return sets;
}

InstructionSet instruction_set() {
  return chosen().load();
}

void set_instruction_set(InstructionSet isa) {
  const std::vector<InstructionSet> sets = available_instruction_sets();
  if (std::find(sets.begin(), sets.end(), isa) == sets.end()) {
    throw std::invalid_argument("this machine cannot run " + std::string(name_of(isa)));
  }
  chosen().store(isa);
}

std::string_view name_of(InstructionSet isa) {
  switch (isa) {
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::baseline:
      break;
  }
  return "baseline";
}

const KernelTable& kernels() {
  return table_of(instruction_set());
}

}  // namespace heed::cpu
