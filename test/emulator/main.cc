// Prints the seed of the schedules, runs doctest, and prints the number of completed kernels.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "machine/machine.h"
#include "support/random.h"

int main(int count, char** arguments) {
  heed::test::seed();
  const int status = doctest::Context(count, arguments).run();
  std::printf("launches of heed's kernels: %ju\n", uintmax_t{heed::emulator::Machine::completed_launches()});
  return status;
}
