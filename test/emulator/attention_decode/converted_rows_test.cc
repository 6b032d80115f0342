// Tests attention_decode over keys and values of another type than the queries, scaled types among them, on
// the emulator against the float64 oracle.
#include <doctest/doctest.h>

#include <cmath>
#include <optional>

#include "cuda/launchers.h"
#include "support/attention_truth.h"
#include "support/drawn.h"
#include "support/paged_attention.h"
#include "support/quantised_pages.h"

namespace heed::emulator {

namespace {

using test::AttentionLimits;
using test::Buffer;
using test::Random;
using test::RandomAttention;

AttentionLimits limits_of(Random& random) {
  const bool wide = random.chance(0.1);
  AttentionLimits limits{
      3, 2, 5, wide ? 512 : 140, random.pick<int64_t>({1, 1, 4, 9}), wide ? 100 : 400, random.chance(0.5)};
  limits.alibi = true;
  return limits;
}

int64_t most_keys(const AttentionProblem& problem) {
  int64_t keys = 1;
  for (const Sequence& sequence : problem.sequences) keys = std::max(keys, sequence.key_steps);
  return keys;
}

// Dense rows of another type, with the numbers of a view.
Buffer other_rows(Random& random, const AttentionProblem& problem, int64_t width, DType type, View& view) {
  const int64_t keys = most_keys(problem), heads = problem.key_heads;
  Buffer rows(type, static_cast<int64_t>(problem.sequences.size()) * heads * keys * width);
  for (int64_t i = 0; i < rows.size(); ++i) rows.set(i, random.normal());
  view = {rows.data(), type, heads * keys * width, keys * width, width};
  return rows;
}

}  // namespace

TEST_CASE("attention_decode: queries of another floating type than keys and values") {
  for (uint64_t stream = 0; stream < 2 * test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(3'700'000 + stream);
    RandomAttention made(random, limits_of(random));
    AttentionProblem& problem = made.problem;
    if (random.chance(0.5)) problem.value_width = std::min(problem.value_width, problem.key_width);
    DType type = problem.query.type;
    while (type == problem.query.type) type = random.pick({DType::float32, DType::float16, DType::bfloat16});
    Buffer keys = other_rows(random, problem, problem.key_width, type, problem.key),
           values = other_rows(random, problem, problem.value_width, type, problem.value);
    Machine machine(schedule(random));
    give(machine, made);
    EmulatedWorkspace workspace(machine);
    if (random.chance(0.5)) {
      const PagedAttention paged(random, machine, problem, random.pick<int64_t>({1, 3, 16, 64}));
      cuda::attention_decode(paged.problem, workspace);
    } else {
      for (Buffer* buffer : {&keys, &values})
        machine.input(buffer->data(), static_cast<size_t>(buffer->size()) * size_of(type), "rows");
      cuda::attention_decode(problem, workspace);
    }
    check_against_oracle(problem, made.output.get());
  }
}

TEST_CASE("attention_decode: caches of int8 and of float8, with any queries") {
  int64_t special = 0;
  for (uint64_t stream = 0; stream < 4 * test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(3'800'000 + stream);
    RandomAttention made(random, limits_of(random));
    AttentionProblem& problem = made.problem;
    if (random.chance(0.7)) {
      // Rows as wide as tiles; the buffers of the problem hold any narrower ones.
      for (const int64_t width : {512, 256, 128, 64}) {
        if (problem.query_width >= width && problem.output.step_stride >= width &&
            problem.output.head_stride >= width) {
          problem.key_width = problem.query_width = problem.value_width = width;
          break;
        }
      }
    }
    QuantisedPagesOptions options;
    options.type = stream % 2 == 0 ? DType::int8 : DType::float8;
    options.page_steps = random.pick<int64_t>({1, 3, 16, 64, 128, 200});
    options.outliers =
        options.type == DType::int8 && problem.key_width >= least_outlier_width && random.chance(0.5);
    const bool not_finite = random.chance(0.15);
    options.not_finite = not_finite ? 0.01 : 0;
    Machine machine(schedule(random));
    // An output of float16 would not hold what huge values come to.
    std::optional<Buffer> wide;
    if (random.chance(0.15)) {
      options.huge = 0.02;
      const int64_t rows = problem.sequences[0].query_steps, heads = problem.query_heads;
      wide.emplace(DType::float32,
                   static_cast<int64_t>(problem.sequences.size()) * heads * rows * problem.value_width);
      problem.output = {wide->data(), DType::float32, heads * rows * problem.value_width,
                        rows * problem.value_width, problem.value_width};
      machine.output(wide->data(), static_cast<size_t>(wide->size()) * 4, "output");
    }
    const int64_t keys = most_keys(problem);
    QuantisedPagesOptions value_options = options;
    value_options.outliers = false;
    options.huge = 0;
    QuantisedPages key(random, machine, problem, keys, problem.key_width, options),
        value(random, machine, problem, keys, problem.value_width, value_options);
    problem.key = key.view;
    problem.value = value.view;
    give(machine, made);
    EmulatedWorkspace workspace(machine);
    cuda::attention_decode(over_pages(problem, key, value, options), workspace);
    check_against_oracle(problem, wide ? &*wide : made.output.get());
    special += not_finite ? 1 : 0;
  }
  CHECK(special > 0);
}

}  // namespace heed::emulator
