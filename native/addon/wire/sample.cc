#include "addon/wire/problems.h"

namespace heed {

SampleProblem read_sample(Reader& from) {
  SampleProblem problem;
  problem.vocabulary = from.integer(1, largest_axis);
  const Memory& logits = from.memory();
  problem.type = from.floating_type();
  problem.logits = logits.data;
  const Memory& tokens = from.memory();
  problem.rows.resize(static_cast<size_t>(from.count(7)));
  const auto rows = static_cast<int64_t>(problem.rows.size());
  if (static_cast<Wide>(rows) * problem.vocabulary > capacity(logits, problem.type))
    throw InvalidProblem("Expected a buffer to hold all logits");
  // An int32 is as large as a float32.
  if (rows > capacity(tokens, DType::float32)) throw InvalidProblem("Expected a buffer to hold all tokens");
  problem.tokens = static_cast<int32_t*>(tokens.data);
  for (Sampling& row : problem.rows) {
    row.temperature = from.real();
    row.top_k = from.integer(1, problem.vocabulary);
    row.top_p = from.real();
    row.min_p = from.real();
    row.repetition_penalty = from.real();
    row.seed = static_cast<uint64_t>(from.length());
    row.previous.resize(static_cast<size_t>(from.count()));
    for (int32_t& token : row.previous) token = static_cast<int32_t>(from.integer(0, problem.vocabulary - 1));
  }
  return problem;
}

}  // namespace heed
