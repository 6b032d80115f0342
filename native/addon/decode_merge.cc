#include "addon/decode.h"

namespace heed {

MergeProblem decode_merge(NumberReader& numbers, const Memories& memories) {
  MergeProblem problem;
  problem.rows = numbers.length();
  problem.width = numbers.length();
  problem.type = read_floating_type(numbers);
  const Wide elements = static_cast<Wide>(problem.rows) * problem.width;
  problem.parts.resize(static_cast<size_t>(numbers.count(2)));
  for (auto& part : problem.parts) {
    part.output = memories.read_contiguous(numbers, problem.type, elements);
    part.log_sum_exp =
        static_cast<const float*>(memories.read_contiguous(numbers, DType::float32, problem.rows));
  }
  problem.output = memories.read_contiguous(numbers, problem.type, elements);
  problem.log_sum_exp = static_cast<float*>(memories.read_contiguous(numbers, DType::float32, problem.rows));
  return problem;
}

}  // namespace heed
