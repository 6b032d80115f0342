// Repeats a test with the kernels of every instruction set that this processor has.
#pragma once

#include <doctest/doctest.h>

#include "cpu/backend.h"
#include "cpu/instruction_set.h"

namespace heed::test {

template <class F>
void with_every_instruction_set(F f) {
  const auto before = cpu::instruction_set();
  for (const auto isa : cpu::available_instruction_sets()) {
    CAPTURE(cpu::name_of(isa));
    cpu::set_instruction_set(isa);
    f();
  }
  cpu::set_instruction_set(before);
}

}  // namespace heed::test
