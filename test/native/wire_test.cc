// Tests that any sequence of numbers is either rejected or gives a plan that stays inside its buffers: valid
// problems are damaged at random, and those that are still accepted are solved on memory between inaccessible
// pages.
#include "addon/wire/format.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <limits>

#include "addon/wire/reader.h"
#include "cpu/backend.h"
#include "encoded_problems.h"
#include "support/run.h"

namespace heed::test {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double hostile(Random& random) {
  return random.pick({-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 1e3, 2147483647.0, 2147483648.0, 4294967295.0,
                      9007199254740991.0, 9007199254740992.0, 9.3e18, 1.9e19, 1e300, -1e300, infinity,
                      -infinity, std::nan("")});
}

void damage(std::vector<double>& numbers, Random& random) {
  for (int64_t times = random.integer(1, 3); times > 0 && !numbers.empty(); --times) {
    const auto place = static_cast<size_t>(random.integer(0, static_cast<int64_t>(numbers.size()) - 1));
    switch (random.integer(0, 5)) {
      case 0:
        numbers[place] = hostile(random);
        break;
      case 1:
        numbers[place] += static_cast<double>(random.integer(-2, 2));
        break;
      case 2:
        numbers[place] *= static_cast<double>(random.integer(2, 9));
        break;
      case 3:
        std::swap(numbers[place], numbers[random.integer(0, static_cast<int64_t>(numbers.size()) - 1)]);
        break;
      case 4:
        numbers.resize(place);
        break;
      case 5:
        numbers.insert(numbers.begin() + static_cast<std::ptrdiff_t>(place), hostile(random));
        break;
    }
  }
}

// Returns whether the problem was accepted.
bool try_to_solve(const Encoded& encoded, Random& random) {
  try {
    run(cpu::plan(read_problems(encoded.numbers, encoded.memories)), random);
    return true;
  } catch (const InvalidProblem&) {
    return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

TEST_CASE("problems that are right are read") {
  Random random(10);
  for (int repeat = 0; repeat < 200; ++repeat) {
    Encoded encoded(random);
    const int64_t problems = random.integer(0, 3);
    encoded.add(static_cast<double>(problems));
    for (int64_t i = 0; i < problems; ++i) add_problem(encoded, random);
    CHECK(try_to_solve(encoded, random));
  }
}

TEST_CASE("problems that are damaged are turned away, or stay inside their buffers") {
  Random random(11);
  int accepted = 0;
  const auto repeats = static_cast<int>(40 * problems());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    Encoded encoded(random);
    // With two, one problem may refer to page lists of the other.
    const int64_t count = random.integer(1, 2);
    encoded.add(static_cast<double>(count));
    for (int64_t i = 0; i < count; ++i) add_problem(encoded, random);
    damage(encoded.numbers, random);
    accepted += try_to_solve(encoded, random);
  }
  std::printf("%d hostile problems: %d turned away, %d solved in bounds\n", repeats, repeats - accepted,
              accepted);
  CHECK(accepted > repeats / 100);
  CHECK(accepted < repeats);
}

TEST_CASE("numbers at random are turned away") {
  Random random(12);
  for (int repeat = 0; repeat < 2000; ++repeat) {
    Encoded encoded(random);
    for (int i = 0; i < 4; ++i) encoded.buffer(random.integer(0, 64), DType::float32);
    encoded.add(1);
    for (int64_t count = random.integer(0, 80); count > 0; --count) {
      encoded.add(random.chance(0.5) ? hostile(random) : static_cast<double>(random.integer(0, 4)));
    }
    encoded.add(std::nan(""));
    CHECK(!try_to_solve(encoded, random));
  }
}

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

TEST_CASE("page lists are given once, and referred to by index") {
  const std::vector<double> numbers{0, 2, 7, 3, 0, 1, 1, 9, 3};
  Reader from(numbers, {});
  const PageList& first = from.page_list();
  CHECK(first.pages == std::vector<int64_t>{7, 3});
  CHECK(first.last == 7);
  CHECK(&from.page_list() == &first);
  const PageList& second = from.page_list();
  CHECK(second.pages == std::vector<int64_t>{9});
  CHECK(first.pages.size() == 2);
  CHECK_THROWS_AS(from.page_list(), InvalidProblem);
}

TEST_CASE("a page that a later cache does not have is turned away, though an earlier one has it") {
  Random random(13);
  for (const int64_t slabs : {2, 1}) {
    Encoded encoded(random);
    encoded.add(2);
    for (const bool first : {true, false}) {
      const int64_t count = first ? 2 : slabs;
      // One head, one element, pages of one step, one page per slab; nothing is appended.
      const double data = encoded.buffer(4, DType::float32);
      encoded.add({4, 1, 1, 1});
      for (int view = 0; view < 4; ++view) encoded.add({data, 0, 0, 1, 1});
      encoded.add({1, 0, 1, 1, 1, 1, double(count)});
      for (int64_t slab = 0; slab < count; ++slab) encoded.add({data, data, -1, -1, -1});
      encoded.add(0);
      if (first) encoded.add({2, 0, 1});
    }
    CHECK(try_to_solve(encoded, random) == (slabs == 2));
  }
}

TEST_CASE("a page that its slab is too short for is turned away, though a longer slab has it") {
  Random random(14);
  for (const DType type : {DType::float32, DType::int8, DType::float8}) {
    for (const bool scales : {false, true}) {
      for (const int64_t page : {0, 1, 2, 3}) {
        // One head, one element, pages of two steps, two pages per slab; the second slab has one, and with
        // scaled elements or scales for one. Nothing is appended.
        Encoded encoded(random);
        encoded.add(1);
        const bool scaled = is_scaled(type);
        const double rows[] = {encoded.buffer(4, type), encoded.buffer(!scaled || !scales ? 2 : 4, type)};
        const double factors[] = {scaled ? encoded.buffer(4, DType::float32) : -1,
                                  scaled ? encoded.buffer(scales ? 2 : 4, DType::float32) : -1};
        const double fresh = encoded.buffer(1, DType::float32);
        encoded.add({4, 1, 1, 1});
        for (int view = 0; view < 2; ++view) encoded.add({fresh, 0, 0, 1, 1});
        for (int view = 0; view < 2; ++view) encoded.add({rows[0], Encoded::number_of(type), 0, 2, 1});
        encoded.add({1, 0, 2, 2, 2, 2, 2});
        for (int slab = 0; slab < 2; ++slab)
          encoded.add({rows[slab], rows[slab], factors[slab], factors[slab], -1});
        encoded.add({0, 1, double(page)});
        CHECK(try_to_solve(encoded, random) == (page < 3));
      }
    }
  }
}

}  // namespace heed::test
