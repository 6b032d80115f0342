#include <algorithm>

#include "addon/decode.h"

namespace heed {

namespace {

std::vector<int32_t> read_indices(NumberReader& numbers, int64_t end) {
  std::vector<int32_t> indices(static_cast<size_t>(numbers.count()));
  for (int32_t& index : indices) index = static_cast<int32_t>(numbers.integer(0, end - 1));
  return indices;
}

float* read_rows(NumberReader& numbers, const Memories& memories, Wide elements) {
  const Memory* memory = memories.read_optional(numbers);
  if (memory == nullptr) return nullptr;
  if (elements > capacity(*memory, DType::float32))
    throw InvalidProblem("Expected a buffer to hold all rows");
  return static_cast<float*>(memory->data);
}

bool has_what_weights_are_made_from(const AttentionProblem& attention) {
  const Selection& selection = attention.scoring.selection;
  return selection.is_hard() ? selection.choices.data != nullptr : attention.log_sum_exp.data != nullptr;
}

}  // namespace

RowsProblem decode_rows(NumberReader& numbers, const Memories& memories) {
  RowsProblem problem;
  problem.attention = decode_attention(numbers, memories);
  const auto& sequences = problem.attention.sequences;
  problem.keys = numbers.length();
  int64_t queries = INT32_MAX;
  for (const Sequence& sequence : sequences) {
    queries = std::min(queries, sequence.query_steps);
    if (sequence.key_steps > problem.keys) throw InvalidProblem("Expected rows to hold all keys");
  }
  problem.heads = read_indices(numbers, problem.attention.query_heads);
  problem.queries = read_indices(numbers, queries);

  const auto rows = static_cast<int64_t>(sequences.size() * problem.heads.size());
  const Wide elements = static_cast<Wide>(rows) * static_cast<int64_t>(problem.queries.size()) * problem.keys;
  problem.scores = read_rows(numbers, memories, elements);
  problem.capped_scores = read_rows(numbers, memories, elements);
  problem.biased_scores = read_rows(numbers, memories, elements);
  problem.weights = read_rows(numbers, memories, elements);
  if (problem.scores == nullptr && problem.capped_scores == nullptr && problem.biased_scores == nullptr &&
      problem.weights == nullptr && elements > 0) {
    throw InvalidProblem("Expected something to be asked for");
  }
  if (problem.weights != nullptr && elements > 0 && !has_what_weights_are_made_from(problem.attention)) {
    throw InvalidProblem(
        "Expected weights to come with the logSumExp or the choices that they are made from");
  }
  return problem;
}

}  // namespace heed
