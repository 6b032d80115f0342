// Tests the choice of tokens on the emulator against its definition, on sorted lists in float64.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <vector>

#include "cuda/launchers.h"
#include "machine/device_memory.h"
#include "support/drawn.h"
#include "support/half.h"
#include "support/oracle.h"
#include "support/random.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;
using Use = DeviceMemory::Use;

struct RankedToken {
  int64_t token;
  double logit, score = 0, weight = 0;
};

struct DefinedToken {
  int64_t token;
  bool close;  // whether rounding could have chosen another one
};

constexpr double rounding = 1e-9;

// The tokens whose logits are above −∞, the first first. None where one is NaN.
std::vector<RankedToken> ranked(const Buffer& logits, int64_t row, int64_t vocabulary, const Sampling& s) {
  const std::set<int64_t> previous(s.previous.begin(), s.previous.end());
  std::vector<RankedToken> tokens;
  for (int64_t token = 0; token < vocabulary; ++token) {
    double logit = logits[row * vocabulary + token];
    if (previous.contains(token)) {
      logit = static_cast<float>(logit < 0 ? logit * s.repetition_penalty : logit / s.repetition_penalty);
    }
    if (std::isnan(logit)) return {};
    if (logit > -INFINITY) tokens.push_back({token, logit});
  }
  std::ranges::sort(tokens, [](const auto& a, const auto& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  });
  return tokens;
}

DefinedToken chosen(std::vector<RankedToken> tokens, const Sampling& s) {
  if (tokens.empty()) return {-1, false};
  const double highest = tokens.front().logit;
  if (s.temperature == 0 || highest == INFINITY) return {tokens.front().token, false};
  if (static_cast<int64_t>(tokens.size()) > s.top_k) tokens.resize(static_cast<size_t>(s.top_k));
  double all = 0;
  for (RankedToken& each : tokens) {
    each.score = (each.logit - highest) / s.temperature;
    each.weight = std::exp(each.score);
    all += each.weight;
  }
  const double share = s.top_p * all;
  double before = 0, best = -INFINITY, second = -INFINITY;
  DefinedToken choice{-1, false};
  for (const RankedToken& each : tokens) {
    const bool first = before == 0;
    if (s.top_p < 1 && !first) {
      choice.close |= std::fabs(before - share) < rounding * share;
      if (before >= share) break;
    }
    before += each.weight;
    choice.close |= s.min_p > 0 && std::fabs(each.score - std::log(s.min_p)) < rounding;
    if (each.weight < s.min_p) continue;
    const double sum = each.score + test::drawn_noise(s.seed, 0, -1, 0, each.token);
    second = std::max(second, std::min(best, sum));
    if (sum > best) {
      best = sum;
      choice.token = each.token;
    }
  }
  choice.close |= best - second < rounding;
  return choice;
}

Sampling random_sampling(Random& random, int64_t vocabulary) {
  const auto between = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random.integer(0, 1'000'000)) / 1e6;
  };
  Sampling s;
  s.temperature = random.pick({0.0, 0.3, 1.0, 1.0, between(0.01, 5)});
  s.top_k =
      std::min(vocabulary,
               random.pick({vocabulary, vocabulary, int64_t{1}, int64_t{40}, random.integer(1, vocabulary)}));
  s.top_p = random.pick({1.0, 1.0, 0.0, 0.5, 0.9, between(0, 1)});
  s.min_p = random.pick({0.0, 0.0, 0.05, between(0, 1)});
  s.repetition_penalty = random.pick({1.0, 1.3, 0.8});
  s.seed = static_cast<uint64_t>(random.integer(0, int64_t{1} << 53));
  for (int64_t i = random.integer(0, 9); i > 0; --i)
    s.previous.push_back(static_cast<int32_t>(random.integer(0, vocabulary - 1)));
  return s;
}

// The tokens of rows that begin `offset` elements after an aligned address.
std::vector<int32_t> sampled(Random& random, Buffer& logits, const std::vector<Sampling>& rows,
                             int64_t offset = 0) {
  Machine machine(schedule(random));
  const DeviceMemory from(machine, "logits", Use::input, logits.data(), bytes_of(logits),
                          static_cast<size_t>(offset) * size_of(logits.type()));
  const DeviceMemory to(machine, "tokens", Use::output, nullptr, rows.size() * sizeof(int32_t));
  SampleProblem problem;
  problem.vocabulary = logits.size() / static_cast<int64_t>(rows.size());
  problem.logits = from.data();
  problem.type = logits.type();
  problem.rows = rows;
  problem.tokens = to.as<int32_t>();
  EmulatedWorkspace workspace(machine);
  cuda::sample(problem, workspace);
  std::vector<int32_t> tokens(rows.size());
  to.read_back(tokens.data());
  return tokens;
}

// The number of rows that were compared.
int64_t sample_and_compare(Random& random, Buffer& logits, const std::vector<Sampling>& rows,
                           int64_t offset = 0) {
  const std::vector<int32_t> tokens = sampled(random, logits, rows, offset);
  int64_t compared = 0;
  for (size_t row = 0; row < rows.size(); ++row) {
    const int64_t vocabulary = logits.size() / static_cast<int64_t>(rows.size());
    const DefinedToken wanted =
        chosen(ranked(logits, static_cast<int64_t>(row), vocabulary, rows[row]), rows[row]);
    if (wanted.close) continue;
    CHECK(tokens[row] == wanted.token);
    ++compared;
  }
  return compared;
}

}  // namespace

TEST_CASE("sample: any options, of any number of tokens") {
  int64_t compared = 0;
  // A block has 1024 threads, so a problem takes longer than those of other kernels.
  const uint64_t problems = (test::problems() + 1) / 2;
  for (uint64_t stream = 0; stream < problems; ++stream) {
    CAPTURE(stream);
    Random random(14'000'000 + stream);
    const int64_t vocabulary = random.pick(
        {int64_t{1}, int64_t{2}, int64_t{64}, int64_t{65}, random.integer(1, 700), random.integer(1, 9000)});
    // 25 rows lie in the parameters of the kernel.
    const int64_t count = random.chance(0.02) ? 30 : random.integer(1, 3);
    Buffer logits(random.pick({DType::float32, DType::float16, DType::bfloat16}), count * vocabulary);
    const double deviation = random.pick({0.0, 0.01, 0.5, 3.0, 12.0}), mean = random.pick({0.0, 0.0, 100.0});
    for (int64_t i = 0; i < logits.size(); ++i)
      logits.set(i, random.chance(0.001) ? -INFINITY : mean + deviation * random.normal());
    std::vector<Sampling> rows;
    for (int64_t row = 0; row < count; ++row) rows.push_back(random_sampling(random, vocabulary));
    compared += sample_and_compare(random, logits, rows, random.chance(0.3) ? random.integer(1, 3) : 0);
  }
  CHECK(compared > static_cast<int64_t>(problems));
}

TEST_CASE("sample: of equal logits, as many as are kept are the first") {
  Random random(17);
  Buffer logits(DType::float32, 3000);
  for (const bool all_equal : {false, true}) {
    for (int64_t i = 0; i < logits.size(); ++i) logits.set(i, all_equal ? 2 : static_cast<double>(i % 3));
    for (int64_t repeat = 0; repeat < 20; ++repeat) {
      Sampling s;
      s.temperature = 1;
      s.seed = static_cast<uint64_t>(repeat);
      s.top_k = repeat % 2 == 0 ? random.integer(1, 2999) : 3000;
      s.top_p = repeat % 2 == 0 ? 1 : 0.3;
      sample_and_compare(random, logits, {s});
    }
  }
}

TEST_CASE("sample: −∞ is never chosen, +∞ always, and nothing of a row with NaN") {
  Random random(18);
  for (const double temperature : {0.0, 1.0}) {
    Sampling s;
    s.temperature = temperature;
    s.top_k = 2;
    s.top_p = 0.9;
    Buffer logits(DType::float32, 5 * 300);
    for (int64_t i = 0; i < logits.size(); ++i) logits.set(i, i < 600 ? -INFINITY : random.normal());
    logits.set(300 + 17, -1e30);
    logits.set(600 + 40, INFINITY);
    logits.set(600 + 290, INFINITY);
    logits.set(900 + 299, NAN);
    logits.set(1200 + 8, -NAN);
    CHECK(sampled(random, logits, std::vector<Sampling>(5, s)) == std::vector<int32_t>{-1, 17, 40, -1, -1});
  }
  // −0 and 0 are equal.
  Buffer zeros(DType::float16, 3);
  for (const int64_t i : {0, 1, 2}) zeros.set(i, i == 1 ? 0.0 : -0.0);
  CHECK(sampled(random, zeros, {Sampling{}}) == std::vector<int32_t>{0});
}

TEST_CASE("sample: a large vocabulary") {
  Random random(19);
  constexpr int64_t vocabulary = 50'257;
  for (const double deviation : {3.0, 0.01}) {
    Buffer logits(DType::bfloat16, 2 * vocabulary);
    for (int64_t i = 0; i < logits.size(); ++i) logits.set(i, deviation * random.normal());
    for (const auto& [k, p, penalty] : {std::tuple<int64_t, double, double>{50, 1, 1.2},
                                        {vocabulary, 0.95, 1},
                                        {5000, 0.9, 1},
                                        {vocabulary, 1, 1}}) {
      Sampling s = random_sampling(random, vocabulary);
      s.temperature = 1;
      s.min_p = 0;
      s.top_k = k;
      s.top_p = p;
      s.repetition_penalty = penalty;
      sample_and_compare(random, logits, {s, s});
    }
  }
}

}  // namespace heed::emulator
