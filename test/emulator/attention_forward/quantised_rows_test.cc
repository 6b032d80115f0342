// Tests attention_forward over caches of int8 and float8 on the emulator against the float64 oracle.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>

#include "cuda/launchers.h"
#include "cuda/solve.h"
#include "cuda/unsupported.h"
#include "support/attention_truth.h"
#include "support/dense_attention.h"
#include "support/drawn.h"
#include "support/quantised_pages.h"

namespace heed::emulator {

namespace {

using test::AttentionLimits;
using test::Random;
using test::RandomAttention;

int64_t longest(const AttentionProblem& problem) {
  int64_t keys = 1;
  for (const Sequence& sequence : problem.sequences) keys = std::max(keys, sequence.key_steps);
  return keys;
}

}  // namespace

TEST_CASE("attention_forward: prompts over caches of int8 and of float8") {
  uint64_t solved = 0, special = 0, masked = 0;
  for (uint64_t stream = 0; solved < 2 * test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(8'500'000 + stream);
    const bool wide = random.chance(0.15);
    AttentionLimits limits{2, 2, 2, wide ? 512 : 140, wide ? 40 : 150, wide ? 60 : 250, true};
    limits.alibi = true;
    RandomAttention made(random, limits);
    AttentionProblem& problem = made.problem;
    if (size_of(problem.query.type) != 2) continue;
    ++solved;
    masked += problem.scoring.mask.data != nullptr ? 1 : 0;
    QuantisedPagesOptions options;
    options.type = solved % 2 == 0 ? DType::int8 : DType::float8;
    options.page_steps = random.pick<int64_t>({1, 3, 16, 64, 128, 200});
    options.outliers =
        options.type == DType::int8 && problem.key_width >= least_outlier_width && random.chance(0.5);
    const bool not_finite = random.chance(0.15);
    options.not_finite = not_finite ? 0.01 : 0;
    special += not_finite ? 1 : 0;
    QuantisedPagesOptions value_options = options;
    value_options.outliers = false;
    Machine machine(schedule(random));
    const int64_t keys = longest(problem);
    const QuantisedPages key(random, machine, problem, keys, problem.key_width, options),
        value(random, machine, problem, keys, problem.value_width, value_options);
    problem.key = key.view;
    problem.value = value.view;
    give(machine, made);
    EmulatedWorkspace workspace(machine);
    cuda::attention_forward(over_pages(problem, key, value, options), workspace);
    check_against_oracle(problem, made.output.get());
  }
  CHECK(special > 0);
  CHECK(masked > 0);
}

TEST_CASE("attention_forward: bytes of a quantised cache are read once a tile, and never meet in a bank") {
  Random random(86);
  for (const DType type : {DType::float16, DType::bfloat16}) {
    for (const int64_t width : {64, 128, 256}) {
      constexpr int64_t keys = 256;
      const int64_t tile = width == 64 ? 128 : 64;
      DenseAttention made(random, type, 1, 1, 1, 2 * tile, keys, width);
      made.problem.scoring.window.right = unbounded;
      Machine machine(schedule(random));
      QuantisedPagesOptions options;
      options.type = random.pick({DType::int8, DType::float8});
      const QuantisedPages key(random, machine, made.problem, keys, width, options),
          value(random, machine, made.problem, keys, width, options);
      made.problem.key = key.view;
      made.problem.value = value.view;
      const AttentionProblem paged = over_pages(made.problem, key, value, options);
      made.solve_on(machine, [&paged](AttentionProblem on_device, cuda::Workspace& workspace) {
        on_device.key = paged.key;
        on_device.value = paged.value;
        on_device.pages = paged.pages;
        CHECK(cuda::kernel_for(on_device, on_device.sequences[0]) == cuda::AttentionKernel::forward);
        cuda::attention_forward(on_device, workspace);
      });
      check_against_oracle(made.problem, &made.output);
      CAPTURE(width);
      const Counts copies = machine.counts_within("copy_rows");
      CHECK(copies.global_loads.bytes == static_cast<uint64_t>(2 * 2 * keys * width));
      CHECK(copies.global_loads.wasted() == 0);
      CHECK(machine.counts().bank_conflicts() == 0);
    }
  }
}

TEST_CASE(
    "attention_forward: quantised rows that are no whole pieces, and queries of float32, are for decode") {
  Random random(87);
  Machine machine(schedule(random));
  EmulatedWorkspace workspace(machine);
  const auto kernel = [&](DType type, int64_t width) {
    DenseAttention made(random, type, 1, 1, 1, 40, 40, width);
    QuantisedPagesOptions options;
    options.type = random.pick({DType::int8, DType::float8});
    const QuantisedPages key(random, machine, made.problem, 40, width, options),
        value(random, machine, made.problem, 40, width, options);
    const AttentionProblem paged = over_pages(made.problem, key, value, options);
    if (cuda::kernel_for(paged, paged.sequences[0]) == cuda::AttentionKernel::forward) return true;
    CHECK_THROWS_AS(cuda::attention_forward(paged, workspace), cuda::Unsupported);
    return false;
  };
  CHECK(kernel(DType::float16, 40));
  CHECK(kernel(DType::bfloat16, 8));
  CHECK(!kernel(DType::bfloat16, 36));
  CHECK(!kernel(DType::float32, 64));
}

}  // namespace heed::emulator
