// The CPU backend: turns problem descriptions into plans for the selected instruction set.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/plan.h"
#include "core/problem.h"
#include "core/quantised_weight.h"

namespace heed {

// A weight in the panel layout of one instruction set. Immutable and shared between operations.
class PackedWeight {
 public:
  virtual ~PackedWeight() = default;
  virtual int64_t columns() const = 0;
  virtual int64_t inner() const = 0;
  virtual size_t byte_length() const = 0;
};

}  // namespace heed

namespace heed::cpu {

// Each can do what those before it can: avxvnni computes as avx2 does and avx512vnni as avx512, except that
// they multiply integers faster; avx512bf16 multiplies bfloat16 as well, and numbers of other types as avx512
// does. The baseline is what every processor of an architecture has: SSE2, or NEON on arm64, where dotprod
// computes as the baseline does, except that it multiplies integers faster.
enum class InstructionSet { baseline, avx2, avxvnni, avx512, avx512vnni, avx512bf16, dotprod };

// Instruction sets that this processor and operating system can run (CPUID and XGETBV, or what Linux says),
// best last; always includes baseline.
std::vector<InstructionSet> available_instruction_sets();
InstructionSet instruction_set();
// Throws std::invalid_argument if this machine cannot run it. No operation may be running.
void set_instruction_set(InstructionSet isa);
std::string_view name_of(InstructionSet isa);

// Plans all problems, to be solved in order. Copies the problems; the buffers that they point to must outlive
// the plan.
Plan plan(std::span<const Problem> problems);
// Each overload appends the phases of its problem to the plan.
void plan(const AttentionProblem& problem, Plan& plan);
void plan(const RowsProblem& problem, Plan& plan);
void plan(const ProjectionProblem& problem, Plan& plan);
void plan(const MergeProblem& problem, Plan& plan);
void plan(const AppendProblem& problem, Plan& plan);
void plan(const CastProblem& problem, Plan& plan);
void plan(const HeadsProblem& problem, Plan& plan);
void plan(const NormProblem& problem, Plan& plan);
void plan(const SampleProblem& problem, Plan& plan);
void plan(const EmbeddingProblem& problem, Plan& plan);
void plan(const PoolingProblem& problem, Plan& plan);
// Attention with whole score matrices, with soft selection and product scores: the baseline for measurements
// of fused attention.
void plan_unfused(const AttentionProblem& problem, Plan& plan);

// weight is [columns, inner], contiguous. Throws std::bad_alloc.
std::unique_ptr<const PackedWeight> pack_weight(const void* weight, DType type, int64_t columns,
                                                int64_t inner);
// Throws std::bad_alloc.
std::unique_ptr<const PackedWeight> pack_weight(const QuantisedWeight& weight);

}  // namespace heed::cpu
