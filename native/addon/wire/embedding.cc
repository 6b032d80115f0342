#include "addon/wire/problems.h"

namespace heed {

EmbeddingProblem read_embedding(Reader& from) {
  EmbeddingProblem problem;
  problem.width = from.integer(0, largest_axis);
  problem.type = from.floating_type();
  problem.scale = static_cast<float>(from.real());
  const Memory& output = from.memory();
  problem.output = output.data;
  problem.tables.resize(static_cast<size_t>(from.count(3)));
  if (problem.tables.empty()) throw InvalidProblem("Expected a table at least");
  for (EmbeddingProblem::Table& table : problem.tables) {
    const Memory& memory = from.memory();
    const int64_t length = from.length();
    if (static_cast<Wide>(length) * problem.width > capacity(memory, problem.type))
      throw InvalidProblem("Expected a buffer to hold all rows of a table");
    table.data = memory.data;
    table.ids.resize(static_cast<size_t>(from.count()));
    for (int64_t& id : table.ids) id = from.integer(0, length - 1);
    if (table.ids.size() != problem.tables.front().ids.size())
      throw InvalidProblem("Expected as many ids for each table");
  }
  const auto rows = static_cast<int64_t>(problem.tables.front().ids.size());
  if (static_cast<Wide>(rows) * problem.width > capacity(output, problem.type))
    throw InvalidProblem("Expected a buffer to hold all rows");
  return problem;
}

}  // namespace heed
