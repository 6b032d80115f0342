// Casting as tasks of some thousand elements.
#include <algorithm>

#include "cpu/instruction_set.h"

namespace heed::cpu {

namespace {

constexpr int64_t elements_per_task = 1 << 16;

template <class Pointer>
Pointer advance(Pointer data, DType type, int64_t elements) {
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const char, char>;
  return static_cast<Byte*>(data) + elements * static_cast<int64_t>(size_of(type));
}

}  // namespace

void plan_cast(const CastProblem& problem, Plan& plan) {
  const KernelTable& table = kernels();
  const int64_t tasks = (problem.count + elements_per_task - 1) / elements_per_task;
  plan.push_back({tasks, [problem, &table](const TaskContext& context) {
                    const int64_t first = context.task * elements_per_task;
                    table.cast(advance(problem.from, problem.from_type, first), problem.from_type,
                               advance(problem.to, problem.to_type, first), problem.to_type,
                               std::min(elements_per_task, problem.count - first));
                  }});
}

}  // namespace heed::cpu
