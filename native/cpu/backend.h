// The CPU backend: turns problem descriptions into plans for the instruction set in use.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/plan.h"
#include "core/problem.h"

namespace heed {

// A weight in the panel layout of one instruction set. Immutable, shared between operations.
class PackedWeight {
 public:
  virtual ~PackedWeight() = default;
  virtual int64_t columns() const = 0;
  virtual int64_t inner() const = 0;
  virtual size_t byte_length() const = 0;
};

}  // namespace heed

namespace heed::cpu {

enum class InstructionSet { baseline, avx2, avx512 };

// What this processor and operating system can run (CPUID and XGETBV), best last; baseline is always there.
std::vector<InstructionSet> available_instruction_sets();
InstructionSet instruction_set();
// Throws std::invalid_argument for one that this machine cannot run. Call it while nothing is running.
void set_instruction_set(InstructionSet isa);
std::string_view name_of(InstructionSet isa);

// Of all problems, one after the other. Problems are copied in; the buffers they point to must outlive the
// plan.
Plan plan(std::span<const Problem> problems);
// Each appends its phases to the plan.
void plan(const AttentionProblem& problem, Plan& plan);
void plan(const RowsProblem& problem, Plan& plan);
void plan(const ProjectionProblem& problem, Plan& plan);
void plan(const MergeProblem& problem, Plan& plan);
void plan(const AppendProblem& problem, Plan& plan);
void plan(const CastProblem& problem, Plan& plan);
// Attention by way of whole score matrices, soft and scored by products: what fused attention is measured
// against.
void plan_unfused(const AttentionProblem& problem, Plan& plan);

// weight is [columns, inner], contiguous. Throws std::bad_alloc.
std::unique_ptr<const PackedWeight> pack_weight(const void* weight, DType type, int64_t columns,
                                                int64_t inner);

}  // namespace heed::cpu
