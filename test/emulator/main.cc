// Says how often kernels are run, then runs doctest.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "support/random.h"

int main(int count, char** arguments) {
  heed::test::seed();
  return doctest::Context(count, arguments).run();
}
