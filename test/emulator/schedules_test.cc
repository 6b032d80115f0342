// Tests small problems on several schedules each: correct kernels may have no faults, and their results may
// not depend on the order of threads and blocks.
#include <doctest/doctest.h>

#include <cstring>
#include <optional>
#include <vector>

#include "cuda/launchers.h"
#include "machine/device_memory.h"
#include "support/attention_truth.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;
using test::RandomAttention;

constexpr int schedules = 10;

std::vector<uint8_t> copy_of(Buffer& buffer) {
  const auto* begin = static_cast<const uint8_t*>(buffer.data());
  return {begin, begin + static_cast<size_t>(buffer.size()) * size_of(buffer.type())};
}

// The first result is compared with the oracle, the others with the first.
template <class Solve>
void solve_on_schedules(uint64_t stream, const test::AttentionLimits& limits, Solve solve) {
  Random random(stream);
  RandomAttention made(random, limits);
  std::optional<std::vector<uint8_t>> first;
  for (int i = 0; i < schedules; ++i) {
    Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
    give(machine, made);
    EmulatedWorkspace workspace(machine);
    std::memset(made.output->data(), 0xff, copy_of(*made.output).size());
    solve(made.problem, workspace);
    if (!first) check_against_oracle(made.problem, made.output.get());
    std::vector<uint8_t> result = copy_of(*made.output), sums = copy_of(*made.log_sum_exp);
    result.insert(result.end(), sums.begin(), sums.end());
    if (!first) first = result;
    CHECK(result == *first);
  }
}

}  // namespace

TEST_CASE("schedules: attention_forward comes to the same bits on all of them") {
  for (uint64_t stream = 0; stream < 2 * test::problems(); ++stream) {
    CAPTURE(stream);
    solve_on_schedules(9'000'000 + stream, {2, 1, 2, 33, 20, 70, stream % 2 == 0},
                       [](const AttentionProblem& problem, cuda::Workspace& workspace) {
                         cuda::attention_forward(problem, workspace);
                       });
  }
}

TEST_CASE("schedules: attention_decode comes to the same bits on all of them") {
  for (uint64_t stream = 0; stream < 2 * test::problems(); ++stream) {
    CAPTURE(stream);
    solve_on_schedules(9'500'000 + stream, {2, 1, 5, 33, 3, 300, stream % 2 == 0},
                       [](const AttentionProblem& problem, cuda::Workspace& workspace) {
                         cuda::attention_decode(problem, workspace);
                       });
  }
}

}  // namespace heed::emulator
