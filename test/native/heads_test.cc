// Tests copies of heads on the CPU, on every instruction set.
#include <doctest/doctest.h>

#include "cpu/backend.h"
#include "support/random_heads.h"
#include "support/run.h"

namespace heed::test {

TEST_CASE("heads: copied with a bias and rotated, between any orders of axes") {
  const auto before = cpu::instruction_set();
  for (const auto isa : cpu::available_instruction_sets()) {
    CAPTURE(cpu::name_of(isa));
    cpu::set_instruction_set(isa);
    for (uint64_t stream = 0; stream < problems(); ++stream) {
      CAPTURE(stream);
      Random random(8'000'000 + stream);
      RandomHeads heads(random);
      Plan plan;
      cpu::plan(heads.problem, plan);
      run(plan, random);
      CHECK(heads.wrong(heads.to) == 0);
    }
  }
  cpu::set_instruction_set(before);
}

}  // namespace heed::test
