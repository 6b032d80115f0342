#include "problems.h"

#include <cmath>

namespace heed::bench {

namespace {

// Of keys and values in pages of one size, entries in turn.
std::shared_ptr<const PageTables> pages_of(const HeedAttention& asked) {
  auto tables = std::make_shared<PageTables>();
  const int64_t pages = asked.key_capacity / asked.page_steps;
  const int64_t bytes = asked.key_heads * asked.page_steps * asked.width *
                        static_cast<int64_t>(size_of(static_cast<DType>(asked.type)));
  const auto page = [&](const void* first, int64_t number) {
    return const_cast<char*>(static_cast<const char*>(first)) + number * bytes;
  };
  for (int64_t b = 0; b < asked.batch; ++b) {
    tables->first.push_back(b * pages);
    for (int64_t i = 0; i < pages; ++i) {
      tables->keys.push_back(page(asked.key, i * asked.batch + b));
      tables->values.push_back(page(asked.value, i * asked.batch + b));
    }
  }
  tables->key = {asked.page_steps, tables->first.data(), tables->keys.data()};
  tables->value = {asked.page_steps, tables->first.data(), tables->values.data()};
  return tables;
}

}  // namespace

AttentionProblem problem_of(const HeedAttention& asked) {
  AttentionProblem problem;
  problem.query_heads = asked.query_heads;
  problem.key_heads = asked.key_heads;
  problem.key_width = problem.query_width = problem.value_width = asked.width;
  const auto type = static_cast<DType>(asked.type);
  const int64_t query_head = asked.query_steps * asked.width, key_head = asked.key_capacity * asked.width;
  problem.query = {asked.query, type, asked.query_heads * query_head, query_head, asked.width};
  problem.key = {asked.key, type, asked.key_heads * key_head, key_head, asked.width};
  problem.value = {asked.value, type, asked.key_heads * key_head, key_head, asked.width};
  if (asked.page_steps != 0) {
    const auto tables = pages_of(asked);
    const int64_t page_head = asked.page_steps * asked.width;
    problem.key = {nullptr, type, 0, page_head, asked.width, &tables->key};
    problem.value = {nullptr, type, 0, page_head, asked.width, &tables->value};
    problem.pages = tables;
  }
  problem.output = {asked.output, type, asked.query_heads * query_head, query_head, asked.width};
  if (asked.steps_before_heads != 0) {
    problem.output.head_stride = asked.width;
    problem.output.step_stride = asked.query_heads * asked.width;
  }
  problem.sequences.assign(static_cast<size_t>(asked.batch),
                           {0, asked.query_steps, 0, asked.key_steps, asked.key_steps - asked.query_steps});
  problem.scoring.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(asked.width)));
  if (asked.causal != 0) problem.scoring.window.right = 0;
  return problem;
}

ProjectionProblem problem_of(const HeedProjection& asked) {
  ProjectionProblem problem;
  problem.rows = asked.batch * asked.steps;
  problem.steps = asked.steps;
  problem.inner = asked.inner;
  problem.columns = asked.columns;
  problem.input = asked.input;
  problem.weight = asked.weight;
  const auto type = static_cast<DType>(asked.type);
  problem.input_type = problem.weight_type = type;
  if (asked.bias != nullptr) problem.bias.assign(asked.bias, asked.bias + asked.columns);
  const int64_t columns = asked.columns / asked.parts, part = problem.rows * columns;
  const int64_t heads = asked.heads == 0 ? 1 : asked.heads, width = columns / heads;
  for (int64_t i = 0; i < asked.parts; ++i) {
    void* data = static_cast<char*>(asked.output) + i * part * static_cast<int64_t>(size_of(type));
    const MutableView view{data, type, asked.steps * columns, asked.steps * width, width};
    problem.targets.push_back({i * columns, columns, width, view, {}, {}});
  }
  return problem;
}

AppendProblem problem_of(const HeedAppend& asked) {
  AppendProblem problem;
  const auto type = static_cast<DType>(asked.type);
  problem.heads = asked.heads;
  problem.key_width = problem.value_width = asked.width;
  problem.key = {asked.key, type, asked.heads * asked.width, asked.width, asked.width};
  problem.value = {asked.value, type, asked.heads * asked.width, asked.width, asked.width};
  // A contiguous cache has one page per entry.
  const auto tables = std::make_shared<PageTables>();
  const int64_t entry_bytes =
      asked.heads * asked.capacity * asked.width * static_cast<int64_t>(size_of(type));
  for (int64_t b = 0; b < asked.batch; ++b) {
    tables->first.push_back(b);
    tables->keys.push_back(static_cast<char*>(asked.cached_key) + b * entry_bytes);
    tables->values.push_back(static_cast<char*>(asked.cached_value) + b * entry_bytes);
    problem.parts.push_back({b, 0, 1, asked.position});
  }
  tables->key = {asked.capacity, tables->first.data(), tables->keys.data()};
  tables->value = {asked.capacity, tables->first.data(), tables->values.data()};
  problem.cached_key = {nullptr, type, 0, asked.capacity * asked.width, asked.width, &tables->key};
  problem.cached_value = {nullptr, type, 0, asked.capacity * asked.width, asked.width, &tables->value};
  problem.pages = tables;
  return problem;
}

}  // namespace heed::bench
