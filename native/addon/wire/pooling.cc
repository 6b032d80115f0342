#include "addon/wire/problems.h"

namespace heed {

PoolingProblem read_pooling(Reader& from) {
  PoolingProblem problem;
  problem.width = from.integer(0, largest_axis);
  problem.type = from.floating_type();
  const Memory& input = from.memory();
  const Memory& output = from.memory();
  problem.input = input.data;
  problem.output = output.data;
  problem.pooling = static_cast<Pooling>(from.integer(0, static_cast<int64_t>(Pooling::last)));
  problem.normalised = from.flag();
  problem.starts.resize(static_cast<size_t>(from.count()));
  if (problem.starts.empty()) throw InvalidProblem("Expected the end of the last sequence at least");
  int64_t before = 0;
  for (int64_t& start : problem.starts) start = before = from.integer(before, largest_integer);
  if (problem.starts.front() != 0) throw InvalidProblem("Expected the first sequence to start at 0");
  if (static_cast<Wide>(before) * problem.width > capacity(input, problem.type))
    throw InvalidProblem("Expected a buffer to hold all rows of sequences");
  if (static_cast<Wide>(problem.sequences()) * problem.width > capacity(output, problem.type))
    throw InvalidProblem("Expected a buffer to hold a row of each sequence");
  return problem;
}

}  // namespace heed
