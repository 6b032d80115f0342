// Tests how attention is divided among kernels.
#include "cuda/solve.h"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "support/attention_truth.h"
#include "support/dense_attention.h"
#include "support/paged_attention.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;

class CountingWorkspace : public EmulatedWorkspace {
 public:
  using EmulatedWorkspace::EmulatedWorkspace;
  using Workspace::upload;

  void* allocate(size_t count) override {
    bytes += count;
    return EmulatedWorkspace::allocate(count);
  }
  const void* upload(const void* from, size_t count) override {
    bytes += count;
    return EmulatedWorkspace::upload(from, count);
  }

  size_t bytes = 0;
};

}  // namespace

TEST_CASE("solve: a sequence in pages comes to the same bits alone and beside prompts and single steps") {
  Random random(90);
  for (const DType type : {DType::float16, DType::bfloat16, DType::float32}) {
    constexpr int64_t batch = 4, heads = 4, steps = 70, keys = 300, width = 64;
    DenseAttention made(random, type, batch, 2, 2, steps, keys, width);
    constexpr int64_t lengths[batch] = {70, 1, 17, 16};
    for (int64_t b = 0; b < batch; ++b) {
      Sequence& sequence = made.problem.sequences[static_cast<size_t>(b)];
      sequence.query_steps = lengths[b];
      sequence.query_offset = keys - lengths[b];
    }
    const std::vector<Sequence> sequences = made.problem.sequences;
    const auto solve = [&] {
      std::memset(made.output.data(), 0xff, static_cast<size_t>(made.output.size()) * size_of(type));
      Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
      const PagedAttention paged(random, machine, made.problem, 48, true);
      made.solve_on(machine, [&paged](AttentionProblem on_device, cuda::Workspace& workspace) {
        on_device.key = paged.problem.key;
        on_device.value = paged.problem.value;
        on_device.pages = paged.problem.pages;
        cuda::solve(on_device, workspace);
      });
      check_against_oracle(made.problem, &made.output);
    };
    solve();
    Buffer together = made.output;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t other = 0; other < batch; ++other) {
        made.problem.sequences[static_cast<size_t>(other)].query_steps = other == b ? lengths[b] : 0;
      }
      solve();
      const auto row = static_cast<size_t>(width) * size_of(type);
      for (int64_t h = 0; h < heads; ++h) {
        const size_t at = static_cast<size_t>((b * heads + h) * steps) * row;
        CHECK(std::memcmp(static_cast<const char*>(together.data()) + at,
                          static_cast<const char*>(made.output.data()) + at,
                          static_cast<size_t>(lengths[b]) * row) == 0);
      }
      made.problem.sequences = sequences;
    }
  }
}

TEST_CASE("solve: up to 16 steps are decoded, and longer prompts go along tiles of rows, in pages as well") {
  Random random(91);
  DenseAttention made(random, DType::float16, 1, 1, 4, 1, 1, 64);
  const Pages pages;
  for (const bool paged : {false, true}) {
    if (paged) made.problem.key.pages = made.problem.value.pages = &pages;
    for (const int64_t steps : {1, 2, 16})
      CHECK(cuda::kernel_for(made.problem, {0, steps, 0, 100, 0}) == cuda::AttentionKernel::decode);
    for (const int64_t steps : {17, 128, 100'000})
      CHECK(cuda::kernel_for(made.problem, {0, steps, 0, 100, 0}) == cuda::AttentionKernel::forward);
  }
  made.problem.output.type = DType::float32;  // which only attention_decode writes for other queries
  CHECK(cuda::kernel_for(made.problem, {0, 100, 0, 100, 0}) == cuda::AttentionKernel::decode);
}

TEST_CASE("solve: the workspace of a prompt in pages does not grow with its square") {
  Random random(92);
  constexpr int64_t width = 128, page_steps = 64;
  DenseAttention made(random, DType::bfloat16, 1, 8, 4, 1, page_steps, width);
  const auto bytes = [&](int64_t steps, int64_t keys) {
    Machine machine(1);
    machine.instead_of_running = [](const std::string&, const cuda::emulator::Shape&) {};
    const auto tables = std::make_shared<PageTables>();
    tables->first = {0};
    const auto pages = static_cast<size_t>(keys / page_steps + 1);
    tables->keys.assign(pages, made.key.data());
    tables->values.assign(pages, made.value.data());
    tables->key = {page_steps, tables->first.data(), tables->keys.data()};
    tables->value = {page_steps, tables->first.data(), tables->values.data()};
    AttentionProblem problem = made.problem;
    problem.key = {nullptr, DType::bfloat16, 0, page_steps * width, width, &tables->key};
    problem.value = {nullptr, DType::bfloat16, 0, page_steps * width, width, &tables->value};
    problem.pages = tables;
    problem.sequences = {{0, steps, 0, keys, keys - steps}};
    CountingWorkspace workspace(machine);
    cuda::solve(problem, workspace);
    return static_cast<int64_t>(workspace.bytes);
  };
  for (int64_t steps = 1; steps <= 131'072; steps *= 2) {
    CAPTURE(steps);
    CHECK(bytes(steps, steps) <= int64_t{64} << 20);
    CHECK(bytes(steps, 1'000'000) <= int64_t{64} << 20);
  }
  for (int i = 0; i < 50; ++i) {
    const int64_t steps = random.integer(1, 4096), keys = steps + random.integer(0, 1'000'000);
    CAPTURE(steps);
    CAPTURE(keys);
    CHECK(bytes(steps, keys) <= int64_t{64} << 20);
  }
}

}  // namespace heed::emulator
