#include "addon/decode.h"

namespace heed {

CastProblem decode_cast(NumberReader& numbers, const Memories& memories) {
  CastProblem problem;
  problem.count = numbers.length();
  const auto read = [&](DType& type) {
    const Memory& memory = memories.read(numbers);
    type = read_floating_type(numbers);
    if (problem.count > capacity(memory, type))
      throw InvalidProblem("Expected a buffer to hold all elements");
    return memory.data;
  };
  problem.from = read(problem.from_type);
  problem.to = read(problem.to_type);
  return problem;
}

}  // namespace heed
