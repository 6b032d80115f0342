#include "support/random_attention.h"

#include <algorithm>
#include <cmath>

namespace heed::test {

namespace {

struct Shape {
  int64_t batch, heads, steps, width;
};

// [batch, heads, steps, width] or [batch, steps, heads, width], after a few elements that do not belong to
// it.
template <class ViewType>
std::unique_ptr<Buffer> lay_out(Random& random, const Shape& shape, DType type, bool whole_chunks,
                                ViewType& view) {
  const int64_t offset = whole_chunks ? 0 : random.integer(0, 3);
  const int64_t padding = random.pick<int64_t>({0, 0, whole_chunks ? 8 : 3});
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

void fill(Random& random, Buffer& buffer, double deviation = 1) {
  for (int64_t i = 0; i < buffer.size(); ++i) buffer.set(i, deviation * random.normal());
}

// One matrix of `elements` elements per head, or one for all heads.
std::unique_ptr<Buffer> make_matrix(Random& random, DType type, int64_t heads, int64_t size, double deviation,
                                    HeadMatrix& matrix) {
  const bool shared = random.chance(0.5);
  auto buffer = std::make_unique<Buffer>(random.pick({type, DType::float32, DType::bfloat16}),
                                         shared ? size : size * heads);
  fill(random, *buffer, deviation);
  matrix = {buffer->data(), buffer->type(), shared ? 0 : size};
  return buffer;
}

}  // namespace

RandomAttention::RandomAttention(Random& random, const AttentionLimits& limits) {
  const int64_t batch = random.integer(1, limits.batch);
  const DType drawn = random.pick({DType::float32, DType::float32, DType::float16, DType::bfloat16});
  const DType type = limits.bfloat16 ? DType::bfloat16 : drawn;
  problem.key_heads = random.integer(1, limits.key_heads);
  problem.query_heads = problem.key_heads * std::min(limits.group, random.pick<int64_t>({1, 1, 2, 3, 5}));
  const auto width = [&](int64_t drawn) { return limits.whole_chunks ? (drawn + 7) / 8 * 8 : drawn; };
  problem.key_width = width(std::min(
      limits.width, random.pick<int64_t>({1, 7, 8, 16, 33, 64, 80, 128, random.integer(1, limits.width)})));
  problem.value_width =
      random.chance(0.6) ? problem.key_width : width(random.integer(1, std::min<int64_t>(limits.width, 100)));
  const int64_t queries = std::min(
      limits.queries, random.pick<int64_t>({0, 1, 2, 5, 16, 63, 64, 65, random.integer(1, limits.queries)}));
  const int64_t keys =
      std::min(limits.keys,
               random.pick<int64_t>({0, 1, 5, 64, 191, 192, 193, 512, 513, random.integer(1, limits.keys)}));
  problem.query_width = problem.key_width;
  if (limits.scores) {
    problem.scoring.score.kind =
        random.pick({ScoreKind::product, ScoreKind::cosine, ScoreKind::general, ScoreKind::location});
    if (limits.additive && random.chance(0.2)) problem.scoring.score.kind = ScoreKind::additive;
  }
  const bool learnt =
      problem.scoring.score.kind == ScoreKind::general || problem.scoring.score.kind == ScoreKind::additive;
  if (learnt) problem.query_width = random.integer(1, limits.width);
  query = lay_out(random, {batch, problem.query_heads, queries, problem.query_width}, type,
                  limits.whole_chunks, problem.query);
  key = lay_out(random, {batch, problem.key_heads, keys, problem.key_width}, type, limits.whole_chunks,
                problem.key);
  if (problem.scoring.score.kind == ScoreKind::location) problem.key.batch_stride = 0;
  if (learnt) make_weights(random, type);
  value = lay_out(random, {batch, problem.key_heads, keys, problem.value_width}, type, limits.whole_chunks,
                  problem.value);
  output = lay_out(random, {batch, problem.query_heads, queries, problem.value_width}, type,
                   limits.whole_chunks, problem.output);
  fill(random, *query);
  fill(random, *key);
  fill(random, *value);
  log_sum_exp = std::make_unique<Buffer>(DType::float32, batch * problem.query_heads * queries);
  problem.log_sum_exp = {log_sum_exp->data(), DType::float32, problem.query_heads * queries, queries, 1};
  if (limits.padded && random.chance(0.5)) {
    problem.log_sum_exp.head_stride = 1;
    problem.log_sum_exp.step_stride = problem.query_heads;
  }

  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = random.chance(0.7) ? keys : random.integer(0, keys);
    const int64_t offset = random.chance(0.7) ? length - queries : random.integer(-10, keys + 10);
    const bool shorter = limits.padded && random.chance(0.2);
    problem.sequences.push_back({0, shorter ? random.integer(0, queries) : queries, 0, length, offset});
  }
  problem.scoring.scale = static_cast<float>(random.chance(0.8) ? 1 / std::sqrt(problem.query_width) : 0.3);
  if (random.chance(0.2)) problem.scoring.softcap = static_cast<float>(random.pick({0.5, 5.0, 50.0}));
  if (random.chance(0.25)) problem.scoring.window.left = random.integer(0, 100);
  if (random.chance(0.15)) problem.scoring.window.right = random.integer(0, 100);
  if (random.chance(0.4)) problem.scoring.window.right = 0;
  const auto per_head = [&](auto number) {
    std::vector<float> numbers;
    for (int64_t h = 0; h < problem.query_heads; ++h) numbers.push_back(static_cast<float>(number(h)));
    return problem.keep(std::move(numbers));
  };
  if (random.chance(0.2))
    problem.scoring.alibi_slopes = per_head([](int64_t h) { return 0.25 / static_cast<double>(h + 1); });
  if (limits.alibi && random.chance(0.2)) {
    std::vector<float> slopes;
    for (int64_t i = 0; i < batch * problem.query_heads; ++i)
      slopes.push_back(static_cast<float>(0.08 * random.normal()));
    problem.scoring.alibi_slopes = problem.keep(std::move(slopes));
    problem.scoring.alibi_batch_stride = problem.query_heads;
  }
  problem.scoring.alibi_absolute = limits.alibi && random.chance(0.5);
  if (random.chance(0.2)) {
    // The largest floats are infinite in log2 units.
    const bool extreme = random.chance(0.1);
    problem.scoring.sinks = per_head([&](int64_t) {
      return extreme ? random.pick({-3.4e38, 3.4e38}) : random.normal() * 3;
    });
  }
  select(random, type, queries, keys, limits);
  if (random.chance(0.4)) {
    problem.scoring.mask.type = random.pick({DType::boolean, DType::boolean, DType::float32, type});
    int64_t size = 1;
    const auto axis = [&](int64_t length) {
      if (random.chance(0.3)) return int64_t{0};
      const int64_t stride = size;
      size *= length;
      return stride;
    };
    problem.scoring.mask.key_stride = axis(keys);
    problem.scoring.mask.query_stride = axis(queries);
    problem.scoring.mask.head_stride = axis(problem.query_heads);
    problem.scoring.mask.batch_stride = axis(batch);
    mask = std::make_unique<Buffer>(problem.scoring.mask.type, size);
    problem.scoring.mask.data = mask->data();
    const double kept = random.pick({0.0, 0.1, 0.9, 1.0});
    for (int64_t i = 0; i < size; ++i) {
      const bool keep = random.chance(kept);
      mask->set(i, problem.scoring.mask.type == DType::boolean ? keep : keep ? random.normal() : -INFINITY);
    }
  }
}

// The weights are small enough to keep scores at an ordinary magnitude.
void RandomAttention::make_weights(Random& random, DType type) {
  const int64_t heads = problem.query_heads, wide = problem.query_width, width = problem.key_width;
  Score& score = problem.scoring.score;
  if (score.kind == ScoreKind::general) {
    weight = make_matrix(random, type, heads, wide * width, 1 / std::sqrt(width), score.weight);
    return;
  }
  const int64_t hidden = score.hidden = random.integer(1, 40);
  weight = make_matrix(random, type, heads, hidden * wide, 1 / std::sqrt(wide), score.weight);
  key_weight = make_matrix(random, type, problem.key_heads, hidden * width, 1 / std::sqrt(width), score.key);
  vector = make_matrix(random, type, heads, hidden, 1, score.vector);
}

void RandomAttention::select(Random& random, DType type, int64_t queries, int64_t keys,
                             const AttentionLimits& limits) {
  Selection& selection = problem.scoring.selection;
  if (limits.local && random.chance(0.3)) {
    centers = std::make_unique<Buffer>(random.pick({type, DType::float32}), problem.query_heads * queries);
    for (int64_t i = 0; i < centers->size(); ++i)
      centers->set(i, static_cast<double>(keys) * (0.5 + 0.4 * random.normal()));
    selection.kind = SelectionKind::local;
    selection.centers = {centers->data(), centers->type(), 0, queries, 1};
    selection.half_width = random.pick({0.5, 3.0, 17.25, 1000.0});
  } else if (limits.hard && random.chance(0.5)) {
    selection.kind = random.pick({SelectionKind::hard, SelectionKind::drawn});
    selection.seed = static_cast<uint64_t>(random.integer(0, (int64_t{1} << 53) - 1));
    const int64_t rows = problem.query_heads * queries;
    choices.assign(problem.sequences.size() * static_cast<size_t>(rows), NAN);
    selection.choices = {choices.data(), rows, queries};
  }
}

}  // namespace heed::test
