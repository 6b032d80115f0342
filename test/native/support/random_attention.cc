#include "support/random_attention.h"

#include <cmath>

namespace heed::test {

namespace {

struct Shape {
  int64_t batch, heads, steps, width;
};

// [batch, heads, steps, width] or [batch, steps, heads, width], behind a few elements that do not belong to
// it.
template <class ViewType>
std::unique_ptr<Buffer> lay_out(Random& random, const Shape& shape, DType type, ViewType& view) {
  const int64_t offset = random.integer(0, 3), padding = random.pick<int64_t>({0, 0, 3});
  auto buffer = std::make_unique<Buffer>(
      type, offset + shape.batch * shape.heads * shape.steps * (shape.width + padding));
  view.data = static_cast<char*>(buffer->data()) + offset * static_cast<int64_t>(size_of(type));
  view.type = type;
  const int64_t row = shape.width + padding;
  view.batch_stride = shape.heads * shape.steps * row;
  if (random.chance(0.5)) {
    view.head_stride = shape.steps * row;
    view.step_stride = row;
  } else {
    view.head_stride = row;
    view.step_stride = shape.heads * row;
  }
  return buffer;
}

void fill(Random& random, Buffer& buffer) {
  for (int64_t i = 0; i < buffer.size(); ++i) buffer.set(i, random.normal());
}

}  // namespace

RandomAttention::RandomAttention(Random& random) {
  const int64_t batch = random.integer(1, 3);
  const DType type = random.pick({DType::float32, DType::float32, DType::float16, DType::bfloat16});
  problem.key_heads = random.integer(1, 3);
  problem.query_heads = problem.key_heads * random.pick<int64_t>({1, 1, 2, 3, 5});
  problem.width = random.pick<int64_t>({1, 7, 8, 16, 33, 64, 80, 128, random.integer(1, 140)});
  problem.value_width = random.chance(0.6) ? problem.width : random.integer(1, 100);
  const int64_t queries = random.pick<int64_t>({0, 1, 2, 5, 16, 63, 64, 65, random.integer(1, 150)});
  const int64_t keys = random.pick<int64_t>({0, 1, 5, 64, 191, 192, 193, 512, 513, random.integer(1, 700)});
  query = lay_out(random, {batch, problem.query_heads, queries, problem.width}, type, problem.query);
  key = lay_out(random, {batch, problem.key_heads, keys, problem.width}, type, problem.key);
  value = lay_out(random, {batch, problem.key_heads, keys, problem.value_width}, type, problem.value);
  output = lay_out(random, {batch, problem.query_heads, queries, problem.value_width}, type, problem.output);
  fill(random, *query);
  fill(random, *key);
  fill(random, *value);
  log_sum_exp = std::make_unique<Buffer>(DType::float32, batch * problem.query_heads * queries);
  problem.log_sum_exp = {log_sum_exp->data(), DType::float32, problem.query_heads * queries, queries, 1};

  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = random.chance(0.7) ? keys : random.integer(0, keys);
    const int64_t offset = random.chance(0.7) ? length - queries : random.integer(-10, keys + 10);
    problem.sequences.push_back({0, queries, 0, length, offset});
  }
  problem.scale = static_cast<float>(random.chance(0.8) ? 1 / std::sqrt(problem.width) : 0.3);
  if (random.chance(0.2)) problem.softcap = static_cast<float>(random.pick({0.5, 5.0, 50.0}));
  problem.causal = random.chance(0.4);
  if (random.chance(0.25)) problem.window_left = random.integer(0, 100);
  if (random.chance(0.15)) problem.window_right = random.integer(0, 100);
  for (int64_t h = 0; h < problem.query_heads; ++h) {
    if (h == 0 ? random.chance(0.2) : !problem.alibi_slopes.empty())
      problem.alibi_slopes.push_back(0.25f / static_cast<float>(h + 1));
    if (h == 0 ? random.chance(0.2) : !problem.sinks.empty())
      problem.sinks.push_back(static_cast<float>(random.normal() * 3));
  }
  if (random.chance(0.4)) {
    problem.mask.type = random.pick({DType::boolean, DType::boolean, DType::float32, type});
    int64_t size = 1;
    const auto axis = [&](int64_t length) {
      if (random.chance(0.3)) return int64_t{0};
      const int64_t stride = size;
      size *= length;
      return stride;
    };
    problem.mask.key_stride = axis(keys);
    problem.mask.query_stride = axis(queries);
    problem.mask.head_stride = axis(problem.query_heads);
    problem.mask.batch_stride = axis(batch);
    mask = std::make_unique<Buffer>(problem.mask.type, size);
    problem.mask.data = mask->data();
    const double kept = random.pick({0.0, 0.1, 0.9, 1.0});
    for (int64_t i = 0; i < size; ++i) {
      const bool keep = random.chance(kept);
      mask->set(i, problem.mask.type == DType::boolean ? keep : keep ? random.normal() : -INFINITY);
    }
  }
}

}  // namespace heed::test
