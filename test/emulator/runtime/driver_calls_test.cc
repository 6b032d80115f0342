// Tests how many calls of the driver a problem takes once everything is there that stays: memory, events,
// kept tables, graphs.
#include <doctest/doctest.h>

#include <functional>

#include "cuda/runtime/device_workspace.h"
#include "cuda/solve.h"
#include "runtime/layer.h"

namespace heed::emulator {

namespace {

// `problems(i)` are those of operation i. Calls that enqueue something are counted: not events, which come
// once in many operations, when a piece of tables is full; and not what changes graphs, once for each launch
// at most.
void expect_calls(EmulatedGpu& gpu, const std::function<std::vector<Problem>(int64_t)>& problems,
                  uint64_t most) {
  int64_t operations = 0;
  const auto solve = [&] {
    gpu.device->use([&] {
      cuda::DeviceWorkspace workspace(*gpu.device);
      for (const Problem& problem : problems(operations++)) cuda::solve(problem, workspace);
      workspace.enqueue();
    });
  };
  const auto events = [&] {
    return gpu.driver.calls("cudaEventRecord") + gpu.driver.calls("cudaEventQuery");
  };
  const auto changes = [&] { return gpu.driver.calls("cudaGraphExecKernelNodeSetParams"); };
  for (int i = 0; i < 3; ++i) solve();
  // Fills pieces of tables, so that they take turns from here on.
  for (int i = 0; i < 40; ++i) {
    gpu.device->use([&] { cuda::DeviceWorkspace(*gpu.device).upload(std::vector<int>(1600)); });
  }
  gpu.device->use([&] { gpu.driver.synchronize(gpu.device->stream()); });
  constexpr uint64_t runs = 6;
  const uint64_t before = gpu.driver.calls(), events_before = events(), changes_before = changes();
  for (uint64_t i = 0; i < runs; ++i) solve();
  const uint64_t all = gpu.driver.calls() - before, of_events = events() - events_before,
                 of_changes = changes() - changes_before;
  // Long tables may not fit into what a piece has left.
  CHECK(all - of_events - of_changes <= most * runs + of_events);
  CHECK(all - of_events - of_changes >= runs);
  CHECK(of_events <= 8);
  CHECK(of_changes <= 6 * runs);
  if (most <= 1) CHECK(of_events == 0);
  gpu.device->use([&] { gpu.driver.synchronize(gpu.device->stream()); });
}

}  // namespace

TEST_CASE(
    "driver calls: a product takes one, attention and new steps three at most, and a step of a layer two") {
  for (const int64_t batch : {2, 26}) {
    CAPTURE(batch);
    const bool few = batch == 2;
    EmulatedGpu gpu;
    test::Random random(106);
    Layer decoding(*gpu.device, random, batch, 1), prompt(*gpu.device, random, batch, 17);
    // Long enough to be split, and joined again.
    const int64_t keys = few ? 530 : 70;
    const AttentionProblem attention = decoding.attend(keys + 30, true);
    const AppendProblem append = decoding.append(0);
    const ProjectionProblem in = decoding.project_in(), out = decoding.project_in();
    const auto attend = [&](int64_t i) { return decoding.with_keys(attention, keys + i); };
    expect_calls(
        gpu, [&](int64_t i) { return std::vector<Problem>{attend(i)}; }, 3);
    const auto append_at = [&](int64_t i) { return decoding.at(append, keys + i - 1); };
    expect_calls(
        gpu, [&](int64_t i) { return std::vector<Problem>{append_at(i)}; }, 3);
    expect_calls(
        gpu, [&](int64_t) { return std::vector<Problem>{in}; }, 1);
    const AttentionProblem prompt_attention = prompt.attend(24, false);
    expect_calls(
        gpu, [&](int64_t) { return std::vector<Problem>{prompt_attention}; }, few ? 1 : 2);
    // Numbers of heads come as one table, of all entries or of each.
    AttentionProblem with_numbers = prompt_attention;
    with_numbers.scoring.alibi_slopes =
        with_numbers.keep(std::vector<float>(static_cast<size_t>(batch * Layer::heads), 0.25f));
    with_numbers.scoring.alibi_batch_stride = Layer::heads;
    with_numbers.scoring.sinks = with_numbers.keep(std::vector<float>(Layer::heads, 0.5f));
    expect_calls(
        gpu, [&](int64_t) { return std::vector<Problem>{with_numbers}; }, 2);
    // Its mask is classified first.
    AttentionProblem masked = prompt_attention;
    masked.scoring.mask = {prompt.numbers(batch * 17 * 24), DType::float32, 17 * 24, 0, 24, 1};
    expect_calls(
        gpu, [&](int64_t) { return std::vector<Problem>{masked}; }, few ? 2 : 3);
    const ProjectionProblem prompt_in = prompt.project_in();
    expect_calls(
        gpu, [&](int64_t) { return std::vector<Problem>{prompt_in}; }, 1);
    // A layer's step with a cache.
    expect_calls(
        gpu,
        [&](int64_t i) {
          return std::vector<Problem>{in, append_at(i), attend(i), out};
        },
        2);
    CHECK(gpu.driver.graphs() == 1);
    // What becomes a product first has a graph where that makes three launches, and keys are chosen by two.
    for (const ScoreKind kind : {ScoreKind::general, ScoreKind::cosine}) {
      CAPTURE(static_cast<int>(kind));
      const AttentionProblem scored = decoding.with_score(attention, kind);
      expect_calls(
          gpu, [&](int64_t i) { return std::vector<Problem>{decoding.with_keys(scored, keys + i)}; }, 3);
    }
    AttentionProblem hard = attention;
    hard.scoring.selection.kind = SelectionKind::hard;
    expect_calls(
        gpu, [&](int64_t i) { return std::vector<Problem>{decoding.with_keys(hard, keys + i)}; }, 3);
  }
}

TEST_CASE("driver calls: norms take one, and what comes with lists three at most") {
  EmulatedGpu gpu;
  test::Random random(107);
  Layer rows(*gpu.device, random, 1, 1);
  constexpr int64_t width = 64;
  float* const numbers = rows.numbers(200 * width);
  float* const output = rows.numbers(200 * width);
  const auto expect = [&](const Problem& problem, uint64_t most) {
    expect_calls(
        gpu, [&](int64_t) { return std::vector<Problem>{problem}; }, most);
  };
  NormProblem norm;
  norm.rows = 9;
  norm.width = width;
  norm.input = norm.weight = numbers;
  norm.output = output;
  expect(norm, 1);
  EmbeddingProblem embedding;
  embedding.width = width;
  embedding.tables = {{numbers, {0, 3, 7}}, {numbers, {1, 1, 2}}};
  embedding.output = output;
  expect(embedding, 2);
  PoolingProblem pooling;
  pooling.width = width;
  pooling.input = numbers;
  pooling.output = output;
  // 128 starts lie in the parameters of the kernel.
  for (const size_t sequences : {2, 150}) {
    pooling.starts.assign(sequences + 1, 1);
    pooling.starts[0] = 0;
    for (const bool normalised : {false, true}) {
      pooling.normalised = normalised;
      expect(pooling, 1 + uint64_t{normalised} + uint64_t{sequences > 127});
    }
  }
  SampleProblem sample;
  sample.vocabulary = width;
  sample.logits = numbers;
  sample.tokens = reinterpret_cast<int32_t*>(output);
  // 25 rows lie in the parameters of the kernel. The largest logit takes an emulated GPU least time.
  for (const size_t count : {3, 26}) {
    Sampling largest;
    largest.temperature = 0;
    sample.rows.assign(count, largest);
    expect(sample, count == 3 ? 1 : 2);
    sample.rows[1].repetition_penalty = 1.5;
    sample.rows[1].previous = {4, 2, 4};
    expect(sample, 3);
  }
}

}  // namespace heed::emulator
