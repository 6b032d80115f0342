// Tests fused and unfused attention, and the recomputed rows, against the float64 oracle on every instruction
// set.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "cpu/backend.h"
#include "support/oracle.h"
#include "support/random_attention.h"
#include "support/run.h"

namespace heed::test {

namespace {

// A score of float32 is rounded to 2⁻²⁴ of itself, and its weight is off by as much as the score.
double tolerance_of(DType type, double largest_score) {
  if (type == DType::float32) return 3e-6 + 0x1p-24 * largest_score;
  return type == DType::float16 ? 2e-3 : 1e-2;
}

// Calls f(batch, head, query, index among all rows).
template <class F>
void for_each_row(const AttentionProblem& p, F f) {
  size_t row = 0;
  for (int64_t b = 0; b < static_cast<int64_t>(p.sequences.size()); ++b) {
    for (int64_t h = 0; h < p.query_heads; ++h) {
      for (int64_t q = 0; q < p.sequences[b].query_steps; ++q) f(b, h, q, row++);
    }
  }
}

// The expected result of every row. The oracle is far slower than any kernel, so it runs once.
struct TrueRow {
  std::vector<double> output;
  double log_sum_exp, lead;
  int64_t choice;
};

// Scores closer than this may swap their order when they are rounded.
constexpr double clear_lead = 1e-3;

std::vector<TrueRow> truth_of(const AttentionProblem& p) {
  std::vector<TrueRow> truth;
  for_each_row(p, [&](int64_t b, int64_t h, int64_t q, size_t) {
    OracleRow row = oracle(p, b, h, q);
    truth.push_back({std::move(row.output), row.log_sum_exp, row.lead, row.choice});
  });
  return truth;
}

// The norm of the difference, relative to the norm of the truth over the whole output. The norm of a few
// elements may be close to 0, as values cancel out, so it is at least that of one small element.
void check(const RandomAttention& made, const std::vector<TrueRow>& truth, const char* path,
           uint64_t stream) {
  const AttentionProblem& p = made.problem;
  double error = 0, norm = 0, log_sum_error = 0, largest_score = 0;
  int64_t wrong_choices = 0;
  for_each_row(p, [&](int64_t b, int64_t h, int64_t q, size_t row) {
    const auto& [output, log_sum_exp, lead, choice] = truth[row];
    const bool clear = !p.scoring.selection.is_hard() || lead > clear_lead;
    if (std::isfinite(log_sum_exp)) largest_score = std::fmax(largest_score, std::fabs(log_sum_exp));
    const int64_t at = b * p.output.batch_stride + h * p.output.head_stride + q * p.output.step_stride;
    for (int64_t d = 0; clear && d < p.value_width; ++d) {
      const double got = read(p.output.data, p.output.type, at + d);
      error += (got - output[d]) * (got - output[d]);
      norm += output[d] * output[d];
    }
    if (p.scoring.selection.is_hard() && clear) {
      const Choices& choices = p.scoring.selection.choices;
      wrong_choices +=
          choices.data[b * choices.batch_stride + h * choices.head_stride + q] != static_cast<double>(choice);
    }
    const double lse = (*made.log_sum_exp)[b * p.log_sum_exp.batch_stride + h * p.log_sum_exp.head_stride +
                                           q * p.log_sum_exp.step_stride];
    if (lse != log_sum_exp) {
      const double difference = std::fabs(lse - log_sum_exp) / (1 + std::fabs(log_sum_exp));
      // An infinite number for a finite one, or NaN: no later fmax may hide it.
      log_sum_error = std::isnan(difference) ? INFINITY : std::fmax(log_sum_error, difference);
    }
  });
  CAPTURE(path);
  CAPTURE(stream);
  CAPTURE(std::string(cpu::name_of(cpu::instruction_set())));
  CAPTURE(static_cast<int>(p.query.type));
  CHECK(std::sqrt(error) <= tolerance_of(p.query.type, largest_score) * std::fmax(std::sqrt(norm), 0.2));
  CHECK(log_sum_error <= 3e-6);
  CHECK(wrong_choices == 0);
}

void check_rows(RandomAttention& made, Random& random, uint64_t stream) {
  RowsProblem rows;
  rows.attention = made.problem;
  int64_t queries = 0;
  for (const Sequence& s : made.problem.sequences) queries = std::max(queries, s.query_steps);
  if (queries == 0) return;
  rows.keys = made.key->size() == 0 ? 0 : made.problem.sequences[0].key_steps;
  for (const Sequence& s : made.problem.sequences) rows.keys = std::max(rows.keys, s.key_steps);
  for (int i = 0; i < 2; ++i) {
    rows.heads.push_back(static_cast<int32_t>(random.integer(0, made.problem.query_heads - 1)));
    rows.queries.push_back(static_cast<int32_t>(random.integer(0, queries - 1)));
  }
  const int64_t batch = static_cast<int64_t>(made.problem.sequences.size()), size = batch * 4 * rows.keys;
  std::vector<float> scores(size, NAN), capped(size, NAN), biased(size, NAN), weights(size, NAN);
  rows.scores = scores.data();
  rows.capped_scores = capped.data();
  rows.biased_scores = biased.data();
  rows.weights = weights.data();
  Plan plan;
  cpu::plan(rows, plan);
  run(plan, random);
  double worst = 0;
  const auto compare = [&](double got, double truth) {
    if (got == truth) return;
    const double error = std::fabs(got - truth) / (1 + std::fabs(truth));
    worst = std::isnan(error) ? INFINITY : std::fmax(worst, error);
  };
  for (int64_t i = 0; i < batch * 4; ++i) {
    const OracleRow truth = oracle(made.problem, i / 4, rows.heads[i / 2 % 2], rows.queries[i % 2]);
    for (int64_t key = 0; key < rows.keys; ++key) {
      const bool valid = key < static_cast<int64_t>(truth.scores.size());
      const int64_t at = i * rows.keys + key;
      compare(scores[at], valid ? truth.scores[key] : -INFINITY);
      compare(capped[at], valid ? truth.capped[key] : -INFINITY);
      compare(biased[at], valid ? truth.biased[key] : -INFINITY);
      if (truth.lead > clear_lead) compare(weights[at], valid ? truth.weights[key] : 0);
    }
  }
  CAPTURE(stream);
  CHECK(worst <= 1e-5);
}

}  // namespace

TEST_CASE("attention agrees with the oracle on random problems") {
  for (uint64_t stream = 0; stream < problems(); ++stream) {
    Random random(stream);
    // The oracle takes long for wide heads, so they come with few rows. They come with products alone,
    // because a matrix between a wide query and a wide key cancels more digits than the bars below allow for.
    const bool wide = random.chance(0.05);
    RandomAttention made(random, {.width = wide ? 576 : 140,
                                  .queries = wide ? 20 : 150,
                                  .keys = wide ? 300 : 700,
                                  .scores = !wide && random.chance(0.5),
                                  .local = random.chance(0.5),
                                  .additive = true,
                                  .hard = random.chance(0.5),
                                  .alibi = true,
                                  .padded = true});
    const std::vector<TrueRow> truth = truth_of(made.problem);
    for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
      cpu::set_instruction_set(isa);
      for (const bool fused : {false, true}) {
        // Unfused attention is soft and has product scores.
        const bool plain = made.problem.scoring.selection.kind == SelectionKind::soft &&
                           made.problem.scoring.score.kind != ScoreKind::additive;
        if (!fused && !plain) continue;
        for (int64_t i = 0; i < made.output->size(); ++i) made.output->set(i, NAN);
        for (int64_t i = 0; i < made.log_sum_exp->size(); ++i) made.log_sum_exp->set(i, NAN);
        std::fill(made.choices.begin(), made.choices.end(), NAN);
        Plan plan;
        fused ? cpu::plan(made.problem, plan) : cpu::plan_unfused(made.problem, plan);
        run(plan, random);
        check(made, truth, fused ? "fused" : "unfused", stream);
      }
      check_rows(made, random, stream);
    }
  }
}

// Some instruction sets multiply bfloat16 in kernels of their own. Log-sum-exps have the bar of float32.
TEST_CASE("attention over bfloat16 agrees with the oracle on random problems") {
  for (uint64_t stream = 0; stream < problems(); ++stream) {
    Random random(2'000'000 + stream);
    RandomAttention made(random, {.local = random.chance(0.3),
                                  .hard = random.chance(0.3),
                                  .alibi = true,
                                  .bfloat16 = true,
                                  .padded = true});
    const std::vector<TrueRow> truth = truth_of(made.problem);
    for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
      cpu::set_instruction_set(isa);
      for (int64_t i = 0; i < made.output->size(); ++i) made.output->set(i, NAN);
      for (int64_t i = 0; i < made.log_sum_exp->size(); ++i) made.log_sum_exp->set(i, NAN);
      std::fill(made.choices.begin(), made.choices.end(), NAN);
      Plan plan;
      cpu::plan(made.problem, plan);
      run(plan, random);
      check(made, truth, "fused", stream);
    }
  }
}

// Where a value is not finite, kernels select each product by itself. Rows that do not attend it get the same
// bits as if it were finite.
TEST_CASE("values that a row does not attend change no bit of it") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    for (uint64_t stream = 0; stream < problems() / 5; ++stream) {
      Random random(3'000'000 + stream);
      const int64_t queries = random.integer(9, 90), keys = random.integer(1, 210),
                    width = random.integer(1, 70);
      const DType type = random.pick({DType::float32, DType::float16, DType::bfloat16, DType::bfloat16});
      Buffer query(type, queries * width), key(type, keys * width), value(type, keys * width);
      Buffer mask(DType::boolean, queries * keys);
      for (Buffer* buffer : {&query, &key, &value}) {
        for (int64_t i = 0; i < buffer->size(); ++i) buffer->set(i, random.normal());
      }
      const int64_t hidden = random.integer(0, keys - 1);
      for (int64_t i = 0; i < mask.size(); ++i) {
        const bool attends_it = i / keys % 2 == 1;
        mask.set(i, i % keys == hidden ? attends_it : random.chance(0.8));
      }
      const auto solve = [&] {
        Buffer output(type, queries * width);
        AttentionProblem problem;
        problem.query_heads = problem.key_heads = 1;
        problem.query_width = problem.key_width = problem.value_width = width;
        problem.query = {query.data(), type, 0, 0, width};
        problem.key = {key.data(), type, 0, 0, width};
        problem.value = {value.data(), type, 0, 0, width};
        problem.output = {output.data(), type, 0, 0, width};
        problem.sequences.push_back({0, queries, 0, keys, keys - queries});
        if (random.chance(0.5)) problem.scoring.window.left = random.integer(0, 100);
        problem.scoring.scale = static_cast<float>(1 / std::sqrt(width));
        problem.scoring.mask = {mask.data(), DType::boolean, 0, 0, keys, 1};
        Plan plan;
        cpu::plan(problem, plan);
        run(plan, random);
        return output;
      };
      const Random before = random;
      Buffer finite = solve();
      for (int64_t d = 0; d < width; ++d)
        value.set(hidden * width + d, random.pick({double{INFINITY}, double{-INFINITY}, double{NAN}}));
      random = before;
      Buffer infinite = solve();
      const size_t row = static_cast<size_t>(width) * size_of(type);
      bool same = true;
      for (int64_t q = 0; q < queries; q += 2) {
        same &= std::memcmp(static_cast<char*>(finite.data()) + static_cast<size_t>(q) * row,
                            static_cast<char*>(infinite.data()) + static_cast<size_t>(q) * row, row) == 0;
      }
      CAPTURE(stream);
      CAPTURE(static_cast<int>(type));
      CHECK(same);
    }
  }
}

}  // namespace heed::test
