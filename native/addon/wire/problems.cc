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

void read_head_bias(Reader& from, HeadsProblem& problem) {
  const Memory* memory = from.optional_memory();
  if (memory == nullptr) return;
  problem.bias = memory->data;
  problem.bias_start = from.length();
  require_inside(*memory, problem.from.type, problem.bias_start, {{problem.heads, problem.width}},
                 problem.width);
}

void read_head_rotation(Reader& from, HeadsProblem& problem) {
  const int64_t pairs = from.integer(-1, problem.width / 2);
  if (pairs == -1) return;
  problem.pairs = pairs;
  problem.interleaved = from.flag();
  const int64_t rows = from.length();
  for (const void** table : {&problem.cos, &problem.sin})
    *table = from.contiguous(problem.from.type, static_cast<Wide>(rows) * pairs);
  problem.positions.resize(static_cast<size_t>(from.count()));
  for (int64_t& position : problem.positions) position = from.integer(0, rows - 1);
  const Wide needed = static_cast<Wide>(problem.batch) * problem.steps;
  const Wide given = problem.positions.empty() ? rows : static_cast<int64_t>(problem.positions.size());
  if (needed > given) throw InvalidProblem("Expected a row of the tables for each step");
}

HeadsProblem read_heads(Reader& from) {
  HeadsProblem problem;
  for (int64_t* length : {&problem.batch, &problem.heads, &problem.steps, &problem.width})
    *length = from.integer(0, largest_axis);
  const auto source = EncodedView::read(from);
  problem.from_start = from.length();
  const auto target = EncodedView::read(from);
  if (source.type != target.type) throw InvalidProblem("Expected heads of one type");
  const auto require = [&problem](const EncodedView& view, int64_t start) {
    require_inside(*view.memory, view.type, start,
                   {{problem.batch, view.batch_stride},
                    {problem.heads, view.head_stride},
                    {problem.steps, view.step_stride}},
                   problem.width);
  };
  require(source, problem.from_start);
  require(target, 0);
  // Targets do not broadcast, so the size of the memory bounds the work.
  const Wide elements = static_cast<Wide>(problem.batch) * problem.heads * problem.steps * problem.width;
  if (elements > capacity(*target.memory, target.type))
    throw InvalidProblem("Expected a target not to touch an element twice");
  problem.from = source.as<View>();
  problem.to = target.as<MutableView>();
  read_head_bias(from, problem);
  read_head_rotation(from, problem);
  // Axes beside an empty one may be of any length: their products would overflow.
  if (elements == 0) problem.batch = problem.heads = problem.steps = problem.width = 0;
  return problem;
}

enum class Kind { attention, rows, projection, merge, append, cast, heads, norm, sample, embedding, pooling };

Problem read_next(Reader& from) {
  switch (static_cast<Kind>(from.integer(0, static_cast<int64_t>(Kind::pooling)))) {
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
    case Kind::cast:
      return read_cast(from);
    case Kind::heads:
      return read_heads(from);
    case Kind::norm:
      return read_norm(from);
    case Kind::sample:
      return read_sample(from);
    case Kind::embedding:
      return read_embedding(from);
    default:
      return read_pooling(from);
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
