// Tests how many calls of the driver a problem takes once everything is there that stays: memory, events,
// kept tables.
#include <doctest/doctest.h>

#include "cuda/runtime/device_workspace.h"
#include "cuda/solve.h"
#include "runtime/support.h"
#include "support/random.h"

namespace heed::emulator {

namespace {

constexpr int64_t heads = 4, key_heads = 2, width = 32, page_steps = 64;
constexpr int64_t columns = (heads + 2 * key_heads) * width, inner = heads * width;

// A layer's buffers on the device, all zeros, and its problems.
class Layer {
 public:
  Layer(cuda::Device& device, int64_t batch, int64_t steps) : device_(device), batch_(batch), steps_(steps) {}

  ProjectionProblem project_in() {
    ProjectionProblem problem;
    problem.rows = batch_ * steps_;
    problem.steps = steps_;
    problem.inner = inner;
    problem.columns = columns;
    problem.input = zeros(batch_ * steps_ * inner);
    problem.weight = zeros(columns * inner);
    problem.bias.assign(columns, 0.5f);
    int64_t first = 0;
    for (const int64_t count : {heads, key_heads, key_heads}) {
      problem.targets.push_back({first,
                                 count * width,
                                 width,
                                 {zeros(batch_ * steps_ * count * width), DType::float32,
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
    problem.key_heads = key_heads;
    problem.key_width = problem.value_width = width;
    problem.query = {zeros(batch_ * steps_ * heads * width), DType::float32, steps_ * heads * width, width,
                     heads * width};
    problem.output = {zeros(batch_ * steps_ * heads * width), DType::float32, steps_ * heads * width, width,
                      heads * width};
    for (View* view : {&problem.key, &problem.value}) {
      *view = {zeros(batch_ * key_steps * key_heads * width), DType::float32, key_steps * key_heads * width,
               width, key_heads * width};
    }
    problem.scoring.scale = 0.1f;
    problem.scoring.alibi_slopes = problem.keep(std::vector<float>(heads, 0.25f));
    for (int64_t b = 0; b < batch_; ++b) {
      Sequence sequence;
      sequence.query_steps = steps_;
      sequence.key_steps = key_steps;
      sequence.query_offset = key_steps - steps_;
      problem.sequences.push_back(sequence);
    }
    if (paged) {
      pages_ = pages(key_steps);
      problem.pages = pages_;
      problem.key = {nullptr, DType::float32, 0, page_steps * width, width, &pages_->key};
      problem.value = {nullptr, DType::float32, 0, page_steps * width, width, &pages_->value};
    }
    return problem;
  }

  // One new step of each sequence, behind those that attend() has.
  AppendProblem append(int64_t position) {
    AppendProblem problem;
    problem.heads = key_heads;
    problem.key_width = problem.value_width = width;
    problem.key = problem.value = {zeros(batch_ * key_heads * width), DType::float32, key_heads * width,
                                   width, key_heads * width};
    problem.cached_key = problem.cached_value = {nullptr, DType::float32, 0, page_steps * width, width};
    for (int64_t b = 0; b < batch_; ++b) problem.parts.push_back({b, 0, 1, position});
    problem.pages = pages_;
    return problem;
  }

 private:
  float* zeros(int64_t count) {
    blocks_.push_back(block_on(device_, static_cast<size_t>(count) * sizeof(float)));
    const cuda::DeviceBlock& block = blocks_.back();
    device_.use([&] { device_.driver().clear(block.data(), block.bytes(), device_.stream()); });
    return reinterpret_cast<float*>(block.data());
  }
  std::shared_ptr<PageTables> pages(int64_t key_steps) {
    const auto tables = std::make_shared<PageTables>();
    for (int64_t b = 0; b < batch_; ++b) {
      tables->first.push_back(static_cast<int64_t>(tables->keys.size()));
      for (int64_t begin = 0; begin < key_steps; begin += page_steps) {
        tables->keys.push_back(zeros(key_heads * page_steps * width));
        tables->values.push_back(zeros(key_heads * page_steps * width));
      }
    }
    tables->key = {page_steps, tables->first.data(), tables->keys.data()};
    tables->value = {page_steps, tables->first.data(), tables->values.data()};
    return tables;
  }

  cuda::Device& device_;
  const int64_t batch_, steps_;
  std::vector<cuda::DeviceBlock> blocks_;
  std::shared_ptr<PageTables> pages_;
};

// The calls for each run of the problems as one operation. An event for every piece of tables that is full,
// and a question whether it has passed, come once in many operations.
void expect_calls(EmulatedGpu& gpu, const std::vector<Problem>& problems, uint64_t most) {
  const auto solve = [&] {
    gpu.device->use([&] {
      cuda::DeviceWorkspace workspace(*gpu.device);
      for (const Problem& problem : problems) cuda::solve(problem, workspace);
    });
  };
  const auto events = [&] {
    return gpu.driver.calls("cudaEventRecord") + gpu.driver.calls("cudaEventQuery");
  };
  solve();
  // Fills pieces of tables, so that they take turns from here on.
  for (int i = 0; i < 40; ++i) {
    gpu.device->use([&] { cuda::DeviceWorkspace(*gpu.device).upload(std::vector<int>(1600)); });
  }
  gpu.device->use([&] { gpu.driver.synchronize(gpu.device->stream()); });
  constexpr uint64_t runs = 10;
  const uint64_t before = gpu.driver.calls(), events_before = events();
  for (uint64_t i = 0; i < runs; ++i) solve();
  const uint64_t all = gpu.driver.calls() - before, of_events = events() - events_before;
  CHECK(all - of_events <= most * runs);
  CHECK(all - of_events >= runs);
  CHECK(of_events <= 2 * problems.size());
  gpu.device->use([&] { gpu.driver.synchronize(gpu.device->stream()); });
}

}  // namespace

TEST_CASE("driver calls: a problem takes three at most, and a product one") {
  for (const int64_t batch : {int64_t{1}, int64_t{3}}) {
    CAPTURE(batch);
    EmulatedGpu gpu;
    Layer decoding(*gpu.device, batch, 1), prompt(*gpu.device, batch, 24);
    // Long enough to be split, and joined again.
    const Problem attention = decoding.attend(530, true);
    expect_calls(gpu, {attention}, 3);
    expect_calls(gpu, {decoding.append(529)}, 3);
    expect_calls(gpu, {decoding.project_in()}, 1);
    expect_calls(gpu, {prompt.attend(24, false)}, 2);
    expect_calls(gpu, {prompt.project_in()}, 1);
    // A layer's step with a cache.
    expect_calls(gpu, {decoding.project_in(), decoding.append(529), attention, decoding.project_in()}, 8);
  }
}

}  // namespace heed::emulator
