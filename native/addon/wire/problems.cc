#include "addon/wire/problems.h"

#include "addon/wire/format.h"

namespace heed {

namespace {

MergeProblem read_merge(Reader& from) {
  MergeProblem problem;
  problem.rows = from.length();
  problem.width = from.length();
  problem.type = from.floating_type();
  const Wide elements = static_cast<Wide>(problem.rows) * problem.width;
  problem.parts.resize(static_cast<size_t>(from.count(2)));
  for (auto& part : problem.parts) {
    part.output = from.contiguous(problem.type, elements);
    part.log_sum_exp = static_cast<const float*>(from.contiguous(DType::float32, problem.rows));
  }
  problem.output = from.contiguous(problem.type, elements);
  problem.log_sum_exp = static_cast<float*>(from.contiguous(DType::float32, problem.rows));
  problem.sinks = from.list<float>();
  problem.rows_per_head = from.integer(1, largest_integer);
  return problem;
}

CastProblem read_cast(Reader& from) {
  CastProblem problem;
  problem.count = from.length();
  const auto read = [&](DType& type) {
    const Memory& memory = from.memory();
    type = from.floating_type();
    if (problem.count > capacity(memory, type))
      throw InvalidProblem("Expected a buffer to hold all elements");
    return memory.data;
  };
  problem.from = read(problem.from_type);
  problem.to = read(problem.to_type);
  return problem;
}

enum class Kind { attention, rows, projection, merge, append, cast };

Problem read_next(Reader& from) {
  switch (static_cast<Kind>(from.integer(0, static_cast<int64_t>(Kind::cast)))) {
    case Kind::attention:
      return read_attention(from);
    case Kind::rows:
      return read_rows(from);
    case Kind::projection:
      return read_projection(from);
    case Kind::merge:
      return read_merge(from);
    case Kind::append:
      return read_append(from);
    default:
      return read_cast(from);
  }
}

}  // namespace

std::vector<Problem> read_problems(std::span<const double> numbers, std::span<const Memory> memories) {
  Reader from(numbers, memories);
  std::vector<Problem> problems;
  for (int64_t left = from.count(); left > 0; --left) problems.push_back(read_next(from));
  from.expect_end();
  return problems;
}

}  // namespace heed
