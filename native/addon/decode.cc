#include "addon/decode.h"

namespace heed {

namespace {

enum class Kind { attention, unfused, rows, projection, merge, append, cast };

UnfusedProblem decode_unfused(NumberReader& numbers, const Memories& memories) {
  AttentionProblem problem = decode_attention(numbers, memories);
  if (problem.scoring.selection.kind != SelectionKind::soft)
    throw InvalidProblem("Expected unfused attention to be soft");
  if (problem.scoring.score.kind == ScoreKind::additive)
    throw InvalidProblem("Expected unfused attention to score by products");
  return {std::move(problem)};
}

Problem decode_next(NumberReader& numbers, const Memories& memories) {
  switch (static_cast<Kind>(numbers.integer(0, static_cast<int64_t>(Kind::cast)))) {
    case Kind::attention:
      return decode_attention(numbers, memories);
    case Kind::unfused:
      return decode_unfused(numbers, memories);
    case Kind::rows:
      return decode_rows(numbers, memories);
    case Kind::projection:
      return decode_projection(numbers, memories);
    case Kind::merge:
      return decode_merge(numbers, memories);
    case Kind::append:
      return decode_append(numbers, memories);
    default:
      return decode_cast(numbers, memories);
  }
}

}  // namespace

std::vector<Problem> decode(std::span<const double> encoded, std::span<const Memory> buffers) {
  NumberReader numbers(encoded);
  const Memories memories(buffers);
  std::vector<Problem> problems;
  for (int64_t left = numbers.count(); left > 0; --left) problems.push_back(decode_next(numbers, memories));
  numbers.expect_end();
  return problems;
}

}  // namespace heed
