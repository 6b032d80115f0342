// Tests that plans on several threads give bitwise the same results as on one thread. Under ThreadSanitizer
// this also shows that no two tasks of a phase touch the same memory.
#include <doctest/doctest.h>

#include <cstring>

#include "core/thread_pool.h"
#include "cpu/backend.h"
#include "support/random_attention.h"

namespace heed::test {

namespace {

std::vector<double> values(const Buffer& buffer) {
  std::vector<double> all;
  for (int64_t i = 0; i < buffer.size(); ++i) all.push_back(buffer[i]);
  return all;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

}  // namespace

TEST_CASE("any number of threads gives the same bits") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    Random random(4'000'000);
    ThreadPool pool;
    Scratch scratch;
    for (uint64_t repeat = 0; repeat < problems(); ++repeat) {
      RandomAttention attention(random);
      const bool fused = random.chance(0.7);
      const auto solve = [&](int threads) {
        pool.set_threads(threads);
        Plan plan;
        fused ? cpu::plan(attention.problem, plan) : cpu::plan_unfused(attention.problem, plan);
        const auto operation = std::make_shared<Operation>(std::move(plan));
        pool.run(operation, scratch);
        REQUIRE(!operation->error());
        return values(*attention.output);
      };
      const auto alone = solve(1);
      CHECK(same_bits(solve(4), alone));
    }
  }
}

}  // namespace heed::test
