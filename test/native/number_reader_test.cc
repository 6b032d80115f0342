// What is announced has to be there.
#include "addon/number_reader.h"

#include <doctest/doctest.h>

namespace heed::test {

TEST_CASE("a list or count of more numbers than are left is turned away") {
  for (int left = 0; left < 4; ++left) {
    std::vector<double> numbers(static_cast<size_t>(left) + 1, 7);
    numbers[0] = left;
    CHECK(NumberReader(numbers).list<float>().size() == static_cast<size_t>(left));
    numbers[0] = left + 1;
    CHECK_THROWS_AS(NumberReader(numbers).list<float>(), InvalidProblem);
    CHECK_THROWS_AS(NumberReader(numbers).count(), InvalidProblem);
    numbers[0] = 1;
    CHECK_THROWS_AS(NumberReader(numbers).count(static_cast<size_t>(left) + 1), InvalidProblem);
  }
  CHECK_THROWS_AS(NumberReader({}).count(), InvalidProblem);
}

}  // namespace heed::test
