// Tests that a cache of another type stores the nearest number of that type, for all bit patterns.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "cpu/backend.h"
#include "support/half.h"
#include "support/run.h"

namespace heed::test {

namespace {

float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Of the two neighbours that share x's leading 16 bits or the next ones, the nearer; in a tie, the even one.
uint16_t nearest_bfloat16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const auto towards_zero = static_cast<uint16_t>(bits >> 16);
  const auto away = static_cast<uint16_t>(towards_zero + 1);
  // Infinity follows the largest number; for rounding it is as far away as the next power of two.
  const auto number = [](uint16_t half) {
    const double value = from_bits(static_cast<uint32_t>(half) << 16);
    return std::isinf(value) ? std::copysign(std::ldexp(1, 128), value) : value;
  };
  const double below = std::fabs(x - number(towards_zero)), above = std::fabs(number(away) - x);
  if (std::isinf(x) || below < above) return towards_zero;
  return above < below || (towards_zero & 1) ? away : towards_zero;
}

}  // namespace

TEST_CASE("float32 goes into a bfloat16 cache as its nearest, and NaN as NaN") {
  // Combines each leading half with the trailing halves around which rounding changes.
  constexpr uint32_t trailing[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
  constexpr int64_t steps = 65536, width = 6;
  std::vector<float> rows;
  for (uint32_t leading = 0; leading < steps; ++leading) {
    for (const uint32_t rest : trailing) rows.push_back(from_bits(leading << 16 | rest));
  }
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    for (const int64_t row_width : {width, steps / 64 * width}) {  // shorter and longer than vectors
      Buffer keys(DType::bfloat16, steps * width), values(DType::bfloat16, steps * width);
      PageTables tables;
      tables.first = {0};
      tables.keys = {keys.data()};
      tables.values = {values.data()};
      AppendProblem problem;
      const int64_t row_steps = steps * width / row_width;
      tables.key = {row_steps, tables.first.data(), tables.keys.data()};
      tables.value = {row_steps, tables.first.data(), tables.values.data()};
      problem.pages = std::make_shared<const PageTables>(std::move(tables));
      problem.heads = 1;
      problem.key_width = problem.value_width = row_width;
      problem.parts = {{0, 0, row_steps, 0}};
      problem.key = problem.value = {rows.data(), DType::float32, 0, 0, row_width};
      problem.cached_key = {nullptr, DType::bfloat16, 0, 0, row_width, &problem.pages->key};
      problem.cached_value = {nullptr, DType::bfloat16, 0, 0, row_width, &problem.pages->value};
      Plan plan;
      cpu::plan(problem, plan);
      Random random(3'000'000);
      run(plan, random);

      int wrong = 0;
      for (Buffer* kept : {&keys, &values}) {
        for (int64_t i = 0; i < steps * width; ++i) {
          const uint16_t bits = static_cast<const uint16_t*>(kept->data())[i];
          const bool right = std::isnan(rows[i]) ? std::isnan((*kept)[i]) : bits == nearest_bfloat16(rows[i]);
          wrong += !right;
        }
      }
      CHECK(wrong == 0);
    }
  }
}

}  // namespace heed::test
