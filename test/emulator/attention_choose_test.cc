// Tests attention_choose on the emulator against the float64 oracle.
#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <vector>

#include "cuda/launchers.h"
#include "cuda/unsupported.h"
#include "machine/device_memory.h"
#include "support/attention_truth.h"
#include "support/dense_attention.h"
#include "support/paged_attention.h"

namespace heed::emulator {

namespace {

using test::AttentionLimits;
using test::Random;
using test::RandomAttention;

// The largest lead at which rounding may decide between two keys.
double undecided(const AttentionProblem& problem) {
  return rounds_queries(problem) ? 0.2 : 1e-4;
}

// Every row has chosen the oracle's key, or one that rounding may take for it, and is a copy of its value.
void check_choices(const AttentionProblem& p) {
  int64_t wrong_keys = 0, wrong_values = 0;
  double log_sum_error = 0;
  for (int64_t b = 0; b < static_cast<int64_t>(p.sequences.size()); ++b) {
    const Sequence& sequence = p.sequences[static_cast<size_t>(b)];
    for (int64_t h = 0; h < p.query_heads; ++h) {
      for (int64_t q = 0; q < sequence.query_steps; ++q) {
        const test::OracleRow truth = test::oracle(p, b, h, q);
        const Choices& choices = p.scoring.selection.choices;
        const double choice = choices.data[b * choices.batch_stride + h * choices.head_stride + q];
        if (truth.lead > undecided(p)) wrong_keys += choice != static_cast<double>(truth.choice);
        for (int64_t d = 0; d < p.value_width; ++d) {
          const int64_t key_head = h / (p.query_heads / p.key_heads);
          const int64_t value = b * p.value.batch_stride + key_head * p.value.head_stride +
                                (sequence.key_start + static_cast<int64_t>(choice)) * p.value.step_stride + d;
          const double expected = choice < 0 ? 0 : test::read(p.value.data, p.value.type, value);
          const int64_t at = b * p.output.batch_stride + h * p.output.head_stride +
                             (sequence.query_start + q) * p.output.step_stride + d;
          wrong_values += test::read(p.output.data, p.output.type, at) != expected;
        }
        const double lse = test::read(p.log_sum_exp.data, DType::float32,
                                      b * p.log_sum_exp.batch_stride + h * p.log_sum_exp.head_stride +
                                          (sequence.query_start + q) * p.log_sum_exp.step_stride);
        if (lse == truth.log_sum_exp) continue;
        const double difference = std::fabs(lse - truth.log_sum_exp) / (1 + std::fabs(truth.log_sum_exp));
        log_sum_error = std::isnan(difference) ? INFINITY : std::fmax(log_sum_error, difference);
      }
    }
  }
  CAPTURE(static_cast<int>(p.query.type));
  CAPTURE(p.key_width);
  CHECK(wrong_keys == 0);
  CHECK(wrong_values == 0);
  CHECK(log_sum_error <= (rounds_queries(p) ? 4 * tolerance_of(p.query.type) : 3e-6));
}

// One row over keys of one element, whose scores they are.
struct Line {
  explicit Line(std::vector<float> scores) : keys(std::move(scores)), values(keys.size()), output(1, NAN) {
    for (size_t key = 0; key < keys.size(); ++key) values[key] = static_cast<float>(key) + 1;
    const auto steps = static_cast<int64_t>(keys.size());
    problem.query_heads = problem.key_heads = 1;
    problem.key_width = problem.query_width = problem.value_width = 1;
    problem.query = {&one, DType::float32, 1, 1, 1};
    problem.key = {keys.data(), DType::float32, steps, steps, 1};
    problem.value = {values.data(), DType::float32, steps, steps, 1};
    problem.output = {output.data(), DType::float32, 1, 1, 1};
    problem.sequences = {{0, 1, 0, steps, steps - 1}};
    problem.scoring.selection.kind = SelectionKind::hard;
  }
  // The number of the chosen key, −1 for none.
  int choose(int multiprocessors = 132) {
    Machine machine(1);
    machine.input(&one, sizeof one, "query");
    machine.input(keys.data(), keys.size() * sizeof(float), "key");
    machine.input(values.data(), values.size() * sizeof(float), "value");
    machine.output(output.data(), sizeof(float), "output");
    EmulatedWorkspace workspace(machine, {multiprocessors, 228 * 1024});
    cuda::attention_choose(problem, workspace);
    return static_cast<int>(output[0]) - 1;
  }
  float one = 1;
  std::vector<float> keys, values, output;
  AttentionProblem problem;
};

}  // namespace

TEST_CASE("attention_choose: random problems, contiguous and paged, on random schedules") {
  int chosen = 0;
  for (uint64_t stream = 0; chosen < static_cast<int>(4 * test::problems()); ++stream) {
    CAPTURE(stream);
    Random random(7'000'000 + stream);
    const bool wide = random.chance(0.1);
    AttentionLimits limits{
        3, 2, 5, wide ? 512 : 140, random.pick<int64_t>({1, 1, 4, 20}), wide ? 100 : 600, random.chance(0.5)};
    limits.scores = random.chance(0.5);
    limits.hard = true;
    limits.alibi = true;
    RandomAttention made(random, limits);
    AttentionProblem& problem = made.problem;
    if (!problem.scoring.selection.is_hard()) continue;
    ++chosen;
    use_possible_score(problem);
    Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
    std::optional<PagedAttention> paged;
    if (random.chance(0.4)) paged.emplace(random, machine, problem, random.pick<int64_t>({1, 3, 16, 64}));
    give(machine, made);
    EmulatedWorkspace workspace(machine, {random.pick({1, 4, 132}), 228 * 1024});
    cuda::attention_choose(paged ? paged->problem : problem, workspace);
    check_choices(problem);
  }
}

TEST_CASE("attention_choose: takes the first of several best keys, and NaN before all") {
  Random random(7);
  for (int round = 0; round < 12; ++round) {
    const auto count = static_cast<size_t>(random.integer(1, 700));
    const int multiprocessors = random.pick({1, 132});
    std::vector<float> scores(count);
    for (float& score : scores) score = static_cast<float>(random.integer(-3, 3));
    size_t first = 0;
    for (size_t key = 1; key < count; ++key) first = scores[key] > scores[first] ? key : first;
    CHECK(Line(scores).choose(multiprocessors) == static_cast<int>(first));
    const auto nan = static_cast<size_t>(random.integer(0, static_cast<int64_t>(count) - 1));
    scores[nan] = NAN;
    scores[static_cast<size_t>(random.integer(static_cast<int64_t>(nan), static_cast<int64_t>(count) - 1))] =
        NAN;
    CHECK(Line(scores).choose(multiprocessors) == static_cast<int>(nan));
  }
  CHECK(Line({-INFINITY, -INFINITY}).choose() == -1);
  CHECK(Line({-INFINITY, INFINITY, INFINITY}).choose() == 1);
  Line sunk({1, 2, 3});
  const float even = 3, above = 3.5f;
  for (const float* sink : {&even, &above}) {
    sunk.problem.scoring.sinks = sink;
    CHECK(sunk.choose() == (sink == &even ? 2 : -1));
  }
}

TEST_CASE("attention_choose: reads keys once for a head group, and no value that is not chosen") {
  for (const DType type : {DType::float16, DType::float32}) {
    Random random(8);
    constexpr int64_t group = 4, keys = 512, width = 64;
    DenseAttention made(random, type, 1, 1, group, 1, keys, width);
    made.problem.scoring.selection.kind = SelectionKind::hard;
    Machine machine(3);
    made.solve_on(machine, [](const AttentionProblem& problem, cuda::Workspace& workspace) {
      cuda::attention_choose(problem, workspace);
    });
    const Counts loop = machine.counts_within("add_products"), all = machine.counts();
    CHECK(loop.global_loads.bytes == static_cast<uint64_t>(keys * width) * size_of(type));
    CHECK(loop.global_loads.wasted() == 0);
    CHECK(loop.bank_conflicts() == 0);
    CHECK(all.global_loads.bytes < loop.global_loads.bytes * 3 / 2);
  }
}

TEST_CASE("attention_choose: what is too much") {
  Machine machine(1);
  EmulatedWorkspace workspace(machine);
  AttentionProblem problem;
  problem.key_width = 1600;
  CHECK_THROWS_AS(cuda::attention_choose(problem, workspace), cuda::Unsupported);
  problem.key_width = 64;
  problem.key.type = DType::float16;
  CHECK_THROWS_AS(cuda::attention_choose(problem, workspace), cuda::Unsupported);
}

}  // namespace heed::emulator
