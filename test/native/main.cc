// Prints what is being tested, then runs doctest.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "cpu/backend.h"
#include "support/random.h"

int main(int count, char** arguments) {
  std::printf("instruction sets:");
  for (const heed::cpu::InstructionSet isa : heed::cpu::available_instruction_sets()) {
    std::printf(" %s", std::string(heed::cpu::name_of(isa)).c_str());
  }
  std::printf("\n");
  heed::test::seed();
  return doctest::Context(count, arguments).run();
}
