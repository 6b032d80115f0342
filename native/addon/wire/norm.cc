#include "addon/wire/problems.h"

namespace heed {

namespace {

// The type of `width` factors, and where they are.
const void* read_factors(Reader& from, const Memory& memory, int64_t width, DType& type) {
  type = from.floating_type();
  if (width > capacity(memory, type)) throw InvalidProblem("Expected a factor for each element of a row");
  return memory.data;
}

}  // namespace

NormProblem read_norm(Reader& from) {
  NormProblem problem;
  problem.rows = from.length();
  problem.width = from.integer(0, largest_axis);
  problem.type = from.floating_type();
  const Wide elements = static_cast<Wide>(problem.rows) * problem.width;
  const auto optional_rows = [&]() -> void* {
    const Memory* memory = from.optional_memory();
    if (memory == nullptr) return nullptr;
    if (elements > capacity(*memory, problem.type))
      throw InvalidProblem("Expected a buffer to hold all rows");
    return memory->data;
  };
  problem.input = from.contiguous(problem.type, elements);
  problem.residual = optional_rows();
  problem.sum = optional_rows();
  if ((problem.residual == nullptr) != (problem.sum == nullptr))
    throw InvalidProblem("Expected a sum of rows and a residual");
  problem.addend = optional_rows();
  problem.output = from.contiguous(problem.type, elements);
  problem.weight = read_factors(from, from.memory(), problem.width, problem.weight_type);
  if (const Memory* bias = from.optional_memory())
    problem.bias = read_factors(from, *bias, problem.width, problem.bias_type);
  problem.offset = static_cast<float>(from.real());
  problem.epsilon = static_cast<float>(from.real());
  problem.centered = from.flag();
  // There may be any number of rows of nothing.
  if (elements == 0) problem.rows = 0;
  return problem;
}

}  // namespace heed
