// Tests what caches of float8 store, and that every code is read as its number, on every instruction set.
#include "support/float8.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "cpu/backend.h"
#include "support/each_instruction_set.h"
#include "support/half.h"
#include "support/run.h"

namespace heed::test {

namespace {

// One page with keys and values of float8, of one batch entry and head.
struct Page8 {
  Page8(int64_t steps, int64_t key_width, int64_t value_width)
      : keys(static_cast<size_t>(steps * key_width)),
        values(static_cast<size_t>(steps * value_width)),
        key_scales(static_cast<size_t>(steps), 1),
        value_scales(static_cast<size_t>(steps), 1),
        tables(std::make_shared<PageTables>()) {
    tables->first = {0};
    tables->keys = {keys.data()};
    tables->values = {values.data()};
    tables->key_scales = {key_scales.data()};
    tables->value_scales = {value_scales.data()};
    tables->key = {steps, tables->first.data(), tables->keys.data(), tables->key_scales.data()};
    tables->value = {steps, tables->first.data(), tables->values.data(), tables->value_scales.data()};
  }

  std::vector<uint8_t> keys, values;
  std::vector<float> key_scales, value_scales;
  std::shared_ptr<PageTables> tables;
};

// All numbers up to 448 around which rounding to float8 changes, beside random ones, and 448 as the first of
// each row, so that its scale is 1.
std::vector<float> rows_up_to_448(Random& random, int64_t width) {
  std::vector<float> numbers;
  for (int code = 0; code <= largest_float8; ++code) {
    const double here = float8_number(static_cast<uint8_t>(code));
    const double next = code < largest_float8 ? float8_number(static_cast<uint8_t>(code + 1)) : here;
    for (const double x : {here, (here + next) / 2}) {
      const auto number = static_cast<float>(x);
      for (const float near : {number, std::nextafterf(number, 0), std::nextafterf(number, 448)})
        numbers.insert(numbers.end(), {near, -near});
    }
    for (int i = 0; i < 20; ++i)
      numbers.push_back(
          static_cast<float>(here + static_cast<double>(random.integer(0, 4095)) / 4096 * (next - here)));
  }
  for (int exponent = -149; exponent < -5; ++exponent) numbers.push_back(std::ldexp(1.5f, exponent));
  std::vector<float> rows;
  for (const float number : numbers) {
    if (static_cast<int64_t>(rows.size()) % width == 0) rows.push_back(448);
    rows.push_back(number);
  }
  rows.resize((rows.size() + static_cast<size_t>(width) - 1) / static_cast<size_t>(width) *
                  static_cast<size_t>(width),
              448);
  return rows;
}

}  // namespace

TEST_CASE("float8 caches: the nearest numbers are stored, with the scale of each row") {
  Random random(8'000);
  with_every_instruction_set([&] {
    for (const int64_t width : {7, 64, 129}) {
      for (const float factor : {1.0f, 0x1p-120f, 0x1p100f}) {
        std::vector<float> rows = rows_up_to_448(random, width);
        const auto steps = static_cast<int64_t>(rows.size()) / width;
        for (float& x : rows) x *= factor;
        Page8 page(steps, width, width);
        AppendProblem problem;
        problem.heads = 1;
        problem.key_width = problem.value_width = width;
        problem.parts = {{0, 0, steps, 0}};
        problem.key = problem.value = {rows.data(), DType::float32, 0, 0, width};
        problem.pages = page.tables;
        problem.cached_key = {nullptr, DType::float8, 0, steps * width, width, &page.tables->key};
        problem.cached_value = {nullptr, DType::float8, 0, steps * width, width, &page.tables->value};
        Plan plan;
        cpu::plan(problem, plan);
        run(plan, random);
        int64_t wrong = 0;
        for (size_t i = 0; i < rows.size(); ++i)
          wrong += page.keys[i] != nearest_float8(double{rows[i]} / double{factor});
        for (const float scale : page.key_scales) wrong += scale != factor;
        CHECK(wrong == 0);
        CHECK(page.values == page.keys);
        CHECK(page.value_scales == page.key_scales);
      }
    }
  });
}

TEST_CASE("float8 caches: each of the 256 codes is read as its number") {
  Random random(8'100);
  with_every_instruction_set([&] {
    for (const int64_t width : {1, 4, 11, 12, 31, 256}) {
      for (const int64_t queries : {1, 3, 40}) {
        CAPTURE(width);
        CAPTURE(queries);
        int64_t wrong = 0;
        for (int64_t first = 0; first < 256; first += width) {
          Page8 page(1, 8, width);
          for (int64_t d = 0; d < width; ++d)
            page.values[static_cast<size_t>(d)] = static_cast<uint8_t>(first + d);
          page.value_scales[0] = 0.5f;
          Buffer query(DType::float32, queries * 8), output(DType::float32, queries * width);
          for (int64_t i = 0; i < query.size(); ++i) query.set(i, random.normal());
          AttentionProblem problem;
          problem.query_heads = problem.key_heads = 1;
          problem.key_width = problem.query_width = 8;
          problem.value_width = width;
          problem.query = {query.data(), DType::float32, 0, 0, 8};
          problem.key = {nullptr, DType::float8, 0, 8, 8, &page.tables->key};
          problem.value = {nullptr, DType::float8, 0, width, width, &page.tables->value};
          problem.output = {output.data(), DType::float32, 0, 0, width};
          problem.sequences = {{0, queries, 0, 1, 0}};
          problem.pages = page.tables;
          Plan plan;
          cpu::plan(problem, plan);
          run(plan, random);
          for (int64_t i = 0; i < output.size(); ++i) {
            const double number = float8_number(static_cast<uint8_t>(first + i % width));
            wrong += std::isnan(number) ? !std::isnan(output[i]) : output[i] != number * 0.5;
          }
        }
        CHECK(wrong == 0);
      }
    }
  });
}

}  // namespace heed::test
