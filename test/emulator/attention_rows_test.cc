// Tests attention_rows on the emulator against the float64 oracle.
#include "cuda/launchers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <vector>

#include "cuda/unsupported.h"
#include "machine/device_memory.h"
#include "support/attention_truth.h"
#include "support/paged_attention.h"
#include "support/quantised_pages.h"
#include "support/sparse.h"

namespace heed::emulator {

namespace {

using test::AttentionLimits;
using test::Random;
using test::RandomAttention;

struct Asked {
  std::vector<int32_t> heads, queries;
  int64_t keys = 0;
};

// The largest error of an array, relative to the larger of 1 and the number; infinite if only one of the two
// is finite.
double error_of(const std::vector<float>& got, size_t first, const std::vector<double>& truth) {
  double error = 0;
  for (size_t key = 0; first + key < got.size() && key < truth.size(); ++key) {
    const double expected = truth[key], found = got[first + key];
    if (expected == found || (std::isnan(expected) && std::isnan(found))) continue;
    const double difference = std::fabs(found - expected) / (1 + std::fabs(expected));
    error = std::isnan(difference) ? INFINITY : std::fmax(error, difference);
  }
  return error;
}

// `page_steps`: keys lie in pages of that many steps; 0: contiguous. `stored`: their type.
void solve_and_check(Random& random, RandomAttention& made, const Asked& asked, int64_t page_steps,
                     DType stored) {
  AttentionProblem& attention = made.problem;
  Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
  const bool outliers = attention.key_width >= least_outlier_width && random.chance(0.5);
  const QuantisedPagesOptions options{stored, std::max<int64_t>(1, page_steps),
                                      stored == DType::int8 && outliers, random.chance(0.1) ? 0.01 : 0, 0};
  int64_t keys = 1;
  for (const Sequence& sequence : attention.sequences) keys = std::max(keys, sequence.key_steps);
  std::optional<QuantisedPages> quantised;
  std::optional<test::Buffer> others;
  if (is_scaled(stored)) {
    quantised.emplace(random, machine, attention, keys, attention.key_width, options);
    attention.key = quantised->view;
  } else if (stored != attention.key.type) {
    const int64_t size = attention.key_heads * keys * attention.key_width;
    others.emplace(stored, static_cast<int64_t>(attention.sequences.size()) * size);
    for (int64_t i = 0; i < others->size(); ++i) others->set(i, random.normal());
    machine.input(others->data(), static_cast<size_t>(others->size()) * size_of(stored), "keys");
    attention.key = {others->data(), stored, size, keys * attention.key_width, attention.key_width};
  }
  for (size_t b = 0; b < attention.sequences.size(); ++b) {
    for (int64_t h = 0; h < attention.query_heads; ++h) {
      for (int64_t q = 0; q < attention.sequences[b].query_steps; ++q) {
        made.log_sum_exp->set(
            (static_cast<int64_t>(b) * attention.query_heads + h) * attention.sequences[b].query_steps + q,
            test::oracle(attention, static_cast<int64_t>(b), h, q).log_sum_exp);
      }
    }
  }
  give(machine, made);
  machine.remove(made.log_sum_exp->data());
  machine.input(made.log_sum_exp->data(), static_cast<size_t>(made.log_sum_exp->size()) * 4, "log-sum-exp");
  const size_t rows = attention.sequences.size() * asked.heads.size() * asked.queries.size();
  std::vector<std::vector<float>> arrays(4, std::vector<float>(rows * static_cast<size_t>(asked.keys), NAN));
  RowsProblem problem;
  std::optional<PagedAttention> paged;
  problem.attention = attention;
  if (quantised) {
    problem.attention = over_pages(attention, *quantised, *quantised, options);
  } else if (page_steps > 0) {
    AttentionProblem same = attention;
    same.value = same.key;
    same.value_width = same.key_width;
    problem.attention = paged.emplace(random, machine, same, page_steps).problem;
  }
  problem.keys = asked.keys;
  problem.heads = asked.heads;
  problem.queries = asked.queries;
  float** places[] = {&problem.scores, &problem.capped_scores, &problem.biased_scores, &problem.weights};
  std::vector<bool> wanted;
  for (size_t i = 0; i < 4; ++i) {
    wanted.push_back(random.chance(0.7));
    if (!wanted[i]) continue;
    *places[i] = arrays[i].data();
    machine.output(arrays[i].data(), arrays[i].size() * sizeof(float), "scores");
  }
  EmulatedWorkspace workspace(machine);
  cuda::attention_rows(problem, workspace);

  double errors[4] = {};
  for (size_t row = 0; row < rows; ++row) {
    const size_t batch = row / asked.queries.size() / asked.heads.size();
    const test::OracleRow truth = test::oracle(attention, static_cast<int64_t>(batch),
                                               asked.heads[row / asked.queries.size() % asked.heads.size()],
                                               asked.queries[row % asked.queries.size()]);
    const std::vector<double>* truths[] = {&truth.scores, &truth.capped, &truth.biased, &truth.weights};
    for (size_t i = 0; i < 4; ++i) {
      std::vector<double> whole = *truths[i];
      // Keys past the end of the sequence count as not attended.
      whole.resize(static_cast<size_t>(asked.keys), i == 3 ? 0 : -INFINITY);
      if (wanted[i])
        errors[i] = std::fmax(errors[i], error_of(arrays[i], row * static_cast<size_t>(asked.keys), whole));
    }
  }
  for (const double error : errors) CHECK(error <= (rounds_queries(attention) ? 0.1 : 5e-6));
}

}  // namespace

TEST_CASE("attention_rows: random problems on random schedules") {
  for (uint64_t stream = 0; stream < 2 * test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(4'000'000 + stream);
    AttentionLimits limits{2, 2, 3, 140, 6, 600, random.chance(0.5)};
    limits.scores = random.chance(0.5);
    limits.alibi = true;
    RandomAttention made(random, limits);
    use_possible_score(made.problem);
    const Sequence& sequence = made.problem.sequences[0];
    Asked asked;
    for (const Sequence& s : made.problem.sequences) asked.keys = std::max(asked.keys, s.key_steps);
    asked.keys += random.integer(0, 2);
    for (int64_t h = 0; h < made.problem.query_heads; ++h) {
      if (random.chance(0.5)) asked.heads.push_back(static_cast<int32_t>(h));
    }
    for (int64_t q = 0; q < sequence.query_steps; ++q) {
      if (random.chance(0.5)) asked.queries.push_back(static_cast<int32_t>(q));
    }
    const DType same = made.problem.key.type;
    const DType stored = random.pick({same, same, DType::float32, DType::float16, DType::bfloat16,
                                      DType::int8, DType::int8, DType::float8});
    ScoreKind& score = made.problem.scoring.score.kind;
    // Cosines over scaled types are refused.
    if (is_scaled(stored) && score == ScoreKind::cosine) score = ScoreKind::product;
    solve_and_check(random, made, asked, random.pick<int64_t>({0, 0, 1, 7, 64}), stored);
  }
}

TEST_CASE("attention_rows: at the edges, and what is too much") {
  for (const int64_t keys : {0, 1, 31, 32, 33, 511, 512, 513}) {
    Random random(static_cast<uint64_t>(5'000 + keys));
    RandomAttention made(random, {1, 1, 1, 64, 1, 600, false});
    if (made.problem.sequences[0].query_steps == 0) continue;
    const int64_t steps = std::min(keys, made.problem.sequences[0].key_steps);
    made.problem.sequences[0].key_steps = steps;
    solve_and_check(random, made, {{0}, {0}, keys}, 0, made.problem.key.type);
  }
  Machine machine(1);
  EmulatedWorkspace workspace(machine);
  RowsProblem problem;
  problem.attention.key_width = 10'000;
  CHECK_THROWS_AS(cuda::attention_rows(problem, workspace), cuda::Unsupported);
}

TEST_CASE("attention_rows: reads keys once for each row, in whole sectors, and never meets in a bank") {
  constexpr int64_t keys = 512, width = 64;
  for (const DType type : {DType::float16, DType::bfloat16, DType::float32}) {
    Machine machine(3);
    const std::vector<uint8_t> zeros(static_cast<size_t>(keys * width) * size_of(type));
    const DeviceMemory query(machine, "query", DeviceMemory::Use::input, zeros.data(), width * size_of(type));
    const DeviceMemory key(machine, "key", DeviceMemory::Use::input, zeros);
    const DeviceMemory scores(machine, "scores", DeviceMemory::Use::output, nullptr, keys * sizeof(float));
    RowsProblem problem;
    problem.attention.query_heads = problem.attention.key_heads = 1;
    problem.attention.key_width = problem.attention.query_width = width;
    problem.attention.query = {query.data(), type, width, width, width};
    problem.attention.key = {key.data(), type, keys * width, keys * width, width};
    problem.attention.sequences = {{0, 1, 0, keys, keys - 1}};
    problem.keys = keys;
    problem.heads = problem.queries = {0};
    problem.scores = scores.as<float>();
    EmulatedWorkspace workspace(machine);
    cuda::attention_rows(problem, workspace);
    const Counts loop = machine.counts_within("dot_share"), all = machine.counts();
    CHECK(loop.global_loads.bytes == static_cast<uint64_t>(keys * width) * size_of(type));
    CHECK(loop.global_loads.wasted() == 0);
    CHECK(all.global_stores.bytes == keys * sizeof(float));
    CHECK(all.global_stores.wasted() == 0);
    CHECK(scores.as<float>()[keys - 1] == 0);
  }
}

TEST_CASE("attention_rows: gives no weight to a key that is not attended, not even in a row of NaN") {
  constexpr int64_t keys = 40, attended = 10, width = 32;
  Machine machine(4);
  const std::vector<uint8_t> zeros(static_cast<size_t>(keys * width) * sizeof(float));
  const DeviceMemory query(machine, "query", DeviceMemory::Use::input, zeros.data(), width * sizeof(float));
  const DeviceMemory key(machine, "key", DeviceMemory::Use::input, zeros);
  const float nan = NAN;
  const DeviceMemory sum(machine, "log-sum-exp", DeviceMemory::Use::input, &nan, sizeof nan);
  const DeviceMemory weights(machine, "weights", DeviceMemory::Use::output, nullptr, keys * sizeof(float));
  RowsProblem problem;
  problem.attention.query_heads = problem.attention.key_heads = 1;
  problem.attention.key_width = problem.attention.query_width = width;
  problem.attention.query = {query.data(), DType::float32, width, width, width};
  problem.attention.key = {key.data(), DType::float32, keys * width, keys * width, width};
  problem.attention.log_sum_exp = {sum.data(), DType::float32, 1, 1, 1};
  problem.attention.sequences = {{0, 1, 0, keys, attended - 1}};
  problem.attention.scoring.window.right = 0;
  problem.keys = keys;
  problem.heads = problem.queries = {0};
  problem.weights = weights.as<float>();
  EmulatedWorkspace workspace(machine);
  cuda::attention_rows(problem, workspace);
  int64_t wrong = 0;
  for (int64_t k = 0; k < keys; ++k) {
    const float weight = weights.as<float>()[k];
    wrong += k < attended ? !std::isnan(weight) : weight != 0;
  }
  CHECK(wrong == 0);
}

TEST_CASE("attention_rows: reaches beyond 2^31 elements") {
  constexpr int64_t keys = 3, width = 32, far = (int64_t{1} << 31) + 64;
  Random random(6);
  for (const DType type : {DType::float16, DType::float32}) {
    const Sparse key(static_cast<size_t>((keys - 1) * far + width) * size_of(type));
    test::Buffer query(type, width);
    std::vector<double> truth(keys);
    for (int64_t d = 0; d < width; ++d) {
      query.set(d, static_cast<double>(random.integer(-8, 8)) / 8);
      for (int64_t k = 0; k < keys; ++k) {
        const double element = static_cast<double>(random.integer(-8, 8)) / 8;
        test::write(key.data(), type, k * far + d, element);
        truth[static_cast<size_t>(k)] += element * query[d];
      }
    }
    Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
    machine.input(query.data(), width * size_of(type), "query");
    machine.input(key.data(), key.bytes(), "key");
    std::vector<float> scores(keys, NAN);
    machine.output(scores.data(), keys * sizeof(float), "scores");
    RowsProblem problem;
    problem.attention.query_heads = problem.attention.key_heads = 1;
    problem.attention.key_width = problem.attention.query_width = width;
    problem.attention.query = {query.data(), type, width, width, width};
    problem.attention.key = {key.data(), type, 0, 0, far};
    problem.attention.sequences = {{0, 1, 0, keys, keys - 1}};
    problem.keys = keys;
    problem.heads = problem.queries = {0};
    problem.scores = scores.data();
    EmulatedWorkspace workspace(machine);
    cuda::attention_rows(problem, workspace);
    // With small multiples of an eighth, every type and every order of the sum is exact.
    for (size_t k = 0; k < keys; ++k) CHECK(scores[k] == truth[k]);
  }
}

}  // namespace heed::emulator
