// A layer on an emulated GPU: its buffers, and the problems of a step.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "core/problem.h"
#include "runtime/support.h"
#include "support/random.h"

namespace heed::emulator {

class Layer {
 public:
  static constexpr int64_t heads = 4, key_heads = 2, width = 32, page_steps = 64;
  static constexpr int64_t columns = (heads + 2 * key_heads) * width, inner = heads * width;

  // Random numbers in all buffers.
  Layer(cuda::Device& device, test::Random& random, int64_t batch, int64_t steps)
      : device_(device), random_(random), batch_(batch), steps_(steps) {}

  ProjectionProblem project_in() {
    ProjectionProblem problem;
    problem.rows = batch_ * steps_;
    problem.steps = steps_;
    problem.inner = inner;
    problem.columns = columns;
    problem.input = numbers(batch_ * steps_ * inner);
    problem.weight = numbers(columns * inner);
    problem.bias.assign(columns, 0.5f);
    int64_t first = 0;
    for (const int64_t count : {heads, key_heads, key_heads}) {
      problem.targets.push_back({first,
                                 count * width,
                                 width,
                                 {numbers(batch_ * steps_ * count * width), DType::float32,
                                  steps_ * count * width, width, count * width},
                                 {},
                                 {}});
      first += count * width;
    }
    return problem;
  }

  AttentionProblem attend(int64_t key_steps, bool paged) {
    AttentionProblem problem;
    problem.query_heads = heads;
    problem.query_width = width;
    problem.key_heads = key_heads;
    problem.key_width = problem.value_width = width;
    problem.query = {numbers(batch_ * steps_ * heads * width), DType::float32, steps_ * heads * width, width,
                     heads * width};
    problem.output = {numbers(batch_ * steps_ * heads * width), DType::float32, steps_ * heads * width, width,
                      heads * width};
    for (View* view : {&problem.key, &problem.value}) {
      *view = {numbers(batch_ * key_steps * key_heads * width), DType::float32, key_steps * key_heads * width,
               width, key_heads * width};
    }
    problem.scoring.scale = 0.1f;
    problem.sequences.resize(static_cast<size_t>(batch_));
    if (paged) {
      problem.scoring.alibi_slopes = problem.keep(std::vector<float>(heads, 0.25f));
      pages_ = pages(key_steps);
      problem.pages = pages_;
      problem.key = {nullptr, DType::float32, 0, page_steps * width, width, &pages_->key};
      problem.value = {nullptr, DType::float32, 0, page_steps * width, width, &pages_->value};
    }
    return with_keys(problem, key_steps);
  }
  // The same problem with a score of that kind.
  AttentionProblem with_score(AttentionProblem problem, ScoreKind kind) {
    problem.scoring.score.kind = kind;
    if (kind == ScoreKind::general)
      problem.scoring.score.weight = {numbers(heads * width * width), DType::float32, width * width};
    return problem;
  }
  // The same problem with another number of keys, up to that which its buffers have.
  AttentionProblem with_keys(AttentionProblem problem, int64_t key_steps) const {
    for (Sequence& sequence : problem.sequences) {
      sequence.query_steps = steps_;
      sequence.key_steps = key_steps;
      sequence.query_offset = key_steps - steps_;
    }
    return problem;
  }

  // A new step of each sequence, in the pages of attend().
  AppendProblem append(int64_t position) {
    AppendProblem problem;
    problem.heads = key_heads;
    problem.key_width = problem.value_width = width;
    problem.key = problem.value = {numbers(batch_ * key_heads * width), DType::float32, key_heads * width,
                                   width, key_heads * width};
    problem.cached_key = problem.cached_value = {nullptr, DType::float32, 0, page_steps * width, width};
    problem.pages = pages_;
    return at(problem, position);
  }
  AppendProblem at(AppendProblem problem, int64_t position) const {
    problem.parts.clear();
    for (int64_t b = 0; b < batch_; ++b) problem.parts.push_back({b, 0, 1, position});
    return problem;
  }

  float* numbers(int64_t count) {
    blocks_.push_back(block_on(device_, static_cast<size_t>(count) * sizeof(float)));
    const cuda::DeviceBlock& block = blocks_.back();
    auto* begin = reinterpret_cast<float*>(block.data());
    device_.use([&] {
      device_.driver().clear(begin, block.bytes(), device_.stream());
      device_.driver().synchronize(device_.stream());
    });
    for (int64_t i = 0; i < count; ++i) begin[i] = static_cast<float>(random_.normal());
    return begin;
  }

 private:
  std::shared_ptr<PageTables> pages(int64_t key_steps) {
    const auto tables = std::make_shared<PageTables>();
    for (int64_t b = 0; b < batch_; ++b) {
      tables->first.push_back(static_cast<int64_t>(tables->keys.size()));
      for (int64_t begin = 0; begin < key_steps; begin += page_steps) {
        tables->keys.push_back(numbers(key_heads * page_steps * width));
        tables->values.push_back(numbers(key_heads * page_steps * width));
      }
    }
    tables->key = {page_steps, tables->first.data(), tables->keys.data()};
    tables->value = {page_steps, tables->first.data(), tables->values.data()};
    return tables;
  }

  cuda::Device& device_;
  test::Random& random_;
  const int64_t batch_, steps_;
  std::vector<cuda::DeviceBlock> blocks_;
  std::shared_ptr<PageTables> pages_;
};

}  // namespace heed::emulator
