#include "cpu/instruction_set.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#include "cpu/processor.h"

namespace heed::cpu {

namespace {

// The compiled tables of an instruction set; what it has none of is taken from the set that it extends.
struct Tables {
  const KernelTable& kernels;
  const IntegerTable& integers;
};

Tables tables_of(InstructionSet isa) {
  switch (isa) {
#if defined(HEED_HAVE_AVX512BF16)
    case InstructionSet::avx512bf16:
      return {avx512bf16::table, avx512vnni::integer_table};
#endif
#if defined(HEED_HAVE_AVX512VNNI)
    case InstructionSet::avx512vnni:
      return {avx512::table, avx512vnni::integer_table};
#endif
#if defined(HEED_HAVE_AVX512)
    case InstructionSet::avx512:
      return {avx512::table, avx512::integer_table};
#endif
#if defined(HEED_HAVE_AVXVNNI)
    case InstructionSet::avxvnni:
      return {avx2::table, avxvnni::integer_table};
#endif
#if defined(HEED_HAVE_AVX2)
    case InstructionSet::avx2:
      return {avx2::table, avx2::integer_table};
#endif
#if defined(HEED_HAVE_DOTPROD)
    case InstructionSet::dotprod:
      return {baseline::table, dotprod::integer_table};
#endif
    default:
      return {baseline::table, baseline::integer_table};
  }
}

std::atomic<InstructionSet>& chosen() {
  static std::atomic<InstructionSet> isa{available_instruction_sets().back()};
  return isa;
}

}  // namespace

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets{InstructionSet::baseline};
  [[maybe_unused]] const Processor processor = detect_processor();
#if defined(HEED_HAVE_AVX2)
  if (processor.avx2) sets.push_back(InstructionSet::avx2);
#endif
#if defined(HEED_HAVE_AVXVNNI)
  if (processor.avxvnni) sets.push_back(InstructionSet::avxvnni);
#endif
#if defined(HEED_HAVE_AVX512)
  if (processor.avx512) sets.push_back(InstructionSet::avx512);
#endif
#if defined(HEED_HAVE_AVX512VNNI)
  if (processor.avx512vnni) sets.push_back(InstructionSet::avx512vnni);
#endif
#if defined(HEED_HAVE_AVX512BF16)
  if (processor.avx512bf16) sets.push_back(InstructionSet::avx512bf16);
#endif
#if defined(HEED_HAVE_DOTPROD)
  if (processor.dotprod) sets.push_back(InstructionSet::dotprod);
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
    case InstructionSet::dotprod:
      return "dotprod";
    case InstructionSet::avx512bf16:
      return "avx512bf16";
    case InstructionSet::avx512vnni:
      return "avx512vnni";
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::avxvnni:
      return "avxvnni";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::baseline:
      break;
  }
  return "baseline";
}

const KernelTable& kernels() {
  return tables_of(instruction_set()).kernels;
}

const IntegerTable& integer_kernels() {
  return tables_of(instruction_set()).integers;
}

}  // namespace heed::cpu
