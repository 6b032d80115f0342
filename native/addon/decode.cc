#include "addon/decode.h"

namespace heed {

namespace {

enum class Kind { attention, unfused, rows, projection, merge, append, cast };

AttentionProblem decode_unfused(NumberReader& numbers, const Memories& memories) {
  AttentionProblem problem = decode_attention(numbers, memories);
  if (problem.selection.kind != SelectionKind::soft)
    throw InvalidProblem("Expected unfused attention to be soft");
  if (problem.score.kind == ScoreKind::additive)
    throw InvalidProblem("Expected unfused attention to score by products");
  return problem;
}

void solve_next(NumberReader& numbers, const Memories& memories, Solver& solver) {
  switch (static_cast<Kind>(numbers.integer(0, static_cast<int64_t>(Kind::cast)))) {
    case Kind::attention:
      return solver.attention(decode_attention(numbers, memories));
    case Kind::unfused:
      return solver.unfused(decode_unfused(numbers, memories));
    case Kind::rows:
      return solver.rows(decode_rows(numbers, memories));
    case Kind::projection:
      return solver.projection(decode_projection(numbers, memories));
    case Kind::merge:
      return solver.merge(decode_merge(numbers, memories));
    case Kind::append:
      return solver.append(decode_append(numbers, memories));
    case Kind::cast:
      return solver.cast(decode_cast(numbers, memories));
  }
}

}  // namespace

void decode(std::span<const double> encoded, std::span<const Memory> buffers, Solver& solver) {
  NumberReader numbers(encoded);
  const Memories memories(buffers);
  for (int64_t left = numbers.count(); left > 0; --left) solve_next(numbers, memories, solver);
  numbers.expect_end();
}

}  // namespace heed
