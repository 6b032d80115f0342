// Tests casts on the CPU, on every instruction set: exact if both types represent a number, otherwise rounded
// to nearest even.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include "cpu/backend.h"
#include "support/each_instruction_set.h"
#include "support/half.h"
#include "support/run.h"

namespace heed::test {

namespace {

constexpr DType types[] = {DType::float32, DType::float16, DType::bfloat16};

void cast(const CastProblem& problem, Random& random) {
  Plan plan;
  cpu::plan(problem, plan);
  run(plan, random);
}

}  // namespace

TEST_CASE("cast: every pair of types, in every length") {
  Random random(70);
  with_every_instruction_set([&] {
    for (const DType from_type : types) {
      for (const DType to_type : types) {
        for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{17}, random.integer(65'000, 200'000)}) {
          Buffer from(from_type, count), to(to_type, count + 1);
          for (int64_t i = 0; i < count; ++i)
            from.set(i, random.normal() * std::exp2(random.integer(-12, 9)));
          cast({from.data(), from_type, to.data(), to_type, count}, random);
          int64_t wrong = 0;
          for (int64_t i = 0; i < count; ++i) wrong += to[i] != rounded(to_type, from[i]);
          CHECK(wrong == 0);
          CHECK(std::isnan(to[count]));
        }
      }
    }
  });
}

}  // namespace heed::test
