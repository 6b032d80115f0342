// Tests products with weights of int8 and int4 on every instruction set: against float64 sums of the very
// same integers, and for the same bits whatever is computed beside a row.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/backend.h"
#include "support/half.h"
#include "support/run.h"

namespace heed::test {

namespace {

using Type = QuantisedWeight::Type;

// A row of the input as integers, one number at a time. Volatile, so that no compiler fuses or widens.
struct QuantisedRow {
  std::vector<int64_t> first, second;  // empty where the row has no outliers
  double scale;
};

QuantisedRow quantise(const std::vector<float>& x) {
  QuantisedRow row{std::vector<int64_t>(x.size()), {}, 0};
  float largest = 0;
  for (const float each : x) {
    if (!std::isfinite(each)) row.scale = NAN;
    largest = std::fmax(largest, std::fabs(each));
  }
  if (std::isnan(row.scale) || largest == 0) return row;
  row.scale = static_cast<double>(largest) / 127;
  const float raise = largest < std::ldexp(1.0f, -100) ? std::ldexp(1.0f, 100) : 1;
  const volatile float raised = largest * raise;
  const volatile float inverse = 127 / raised;
  std::vector<float> rest;
  int64_t squares = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const volatile float up = x[i] * raise;
    const volatile float t = up * inverse;
    row.first[i] = std::llrint(t);
    squares += row.first[i] * row.first[i];
    rest.push_back(t - static_cast<float>(row.first[i]));
  }
  if (16129 * static_cast<int64_t>(x.size()) > 25 * squares) {
    for (const float left : rest) {
      const volatile float scaled = left * 254;
      row.second.push_back(std::llrint(scaled));
    }
  }
  return row;
}

struct Drawn {
  explicit Drawn(Random& random);
  Drawn(const Drawn&) = delete;

  QuantisedWeight weight;
  std::vector<uint8_t> values;
  std::vector<float> scales;
  std::vector<float> cos, sin;  // of no angle
  Buffer input, output;
  ProjectionProblem problem;

  int64_t multiple(int64_t column, int64_t k) const {
    if (weight.type == Type::int8) return static_cast<int8_t>(values[column * weight.inner + k]);
    const uint8_t pair = values[column * ((weight.inner + 1) / 2) + k / 2];
    constexpr int64_t levels[] = {-127, -100, -79, -62, -47, -34, -22, -11, 0, 12, 24, 36, 50, 65, 83, 106};
    return levels[k % 2 ? pair >> 4 : pair & 15];
  }
  float bias(int64_t column) const { return problem.bias.empty() ? 0 : problem.bias[column]; }
};

void draw_row(Random& random, double size, Buffer& input, int64_t row, int64_t inner) {
  const bool zeros = random.chance(0.1), outliers = random.chance(0.3), special = random.chance(0.05);
  for (int64_t k = 0; k < inner; ++k) {
    const double factor = outliers && random.chance(0.02) ? 60 : 1;
    input.set(row * inner + k, zeros ? 0 : size * factor * random.normal());
  }
  if (special && inner > 0)
    input.set(row * inner + random.integer(0, inner - 1), random.pick<double>({NAN, INFINITY, -INFINITY}));
}

Drawn::Drawn(Random& random)
    : weight{},
      input(random.pick({DType::float32, DType::float16, DType::bfloat16}), 0),
      output(random.pick({DType::float32, DType::float32, DType::float16, DType::bfloat16}), 0) {
  const int64_t inner =
      random.chance(0.3) ? random.pick<int64_t>({0, 1, 4, 32, 64, 128}) : random.integer(1, 300);
  weight.type = random.pick({Type::int8, Type::int4});
  weight.group_size = weight.type == Type::int8 ? std::max<int64_t>(inner, 1)
                                                : random.pick<int64_t>({8, 24, 32, 32, 64, 128, 4096});
  weight.inner = inner;
  const int64_t width = random.pick<int64_t>({1, 3, 8, 16, 33, 64, 80}), heads = random.integer(1, 5);
  weight.columns = width * heads;
  const int64_t row = weight.type == Type::int8 ? inner : (inner + 1) / 2;
  for (int64_t i = 0; i < weight.columns * row; ++i)
    values.push_back(static_cast<uint8_t>(random.chance(0.1) ? random.pick({0x7f, 0x81, 0xff, 0})
                                                             : random.integer(0, 255)));
  // Sizes that float32 holds, though not the product of a number and a scale.
  const bool narrow = input.type() == DType::float16 || output.type() == DType::float16;
  const double size = narrow ? 1 : random.pick({1.0, 1.0, 1e-30, 1e-37, 1e30});
  for (int64_t i = 0; i < weight.columns * weight.groups(); ++i) {
    const bool negative = weight.type == Type::int4 && random.chance(0.5);
    const double scale = random.chance(0.05) ? 0 : std::fabs(random.normal()) / (100 * size);
    scales.push_back(static_cast<float>(negative ? -scale : scale));
  }
  weight.values = values.data();
  weight.scales = scales.data();

  const int64_t batch = random.integer(1, 3);
  problem.steps = random.pick<int64_t>({1, 1, 2, 3, 5, 7, 13, 70});
  problem.rows = batch * problem.steps;
  problem.inner = inner;
  problem.columns = weight.columns;
  input = Buffer(input.type(), problem.rows * inner);
  for (int64_t r = 0; r < problem.rows; ++r) draw_row(random, size, input, r, inner);
  problem.input = input.data();
  problem.input_type = input.type();
  if (random.chance(0.5)) {
    for (int64_t i = 0; i < weight.columns; ++i) problem.bias.push_back(static_cast<float>(random.normal()));
  }
  // Some columns at either end may not be asked for.
  const int64_t first_head = random.integer(0, heads - 1), asked = random.integer(1, heads - first_head);
  output = Buffer(output.type(), problem.rows * asked * width);
  ProjectionTarget target{};
  target.first_column = first_head * width;
  target.columns = asked * width;
  target.head_width = width;
  target.view = {output.data(), output.type(), asked * problem.steps * width, problem.steps * width, width};
  if (width > 1 && random.chance(0.5)) {
    // A head that is rotated must be complete, by whatever angle.
    const int64_t pairs = width / 2;
    cos.assign(static_cast<size_t>(pairs), 1);
    sin.assign(static_cast<size_t>(pairs), 0);
    target.rotation = {2 * pairs, random.chance(0.5), 1, cos.data(), sin.data()};
  }
  problem.targets.push_back(target);
}

void check(const Drawn& drawn) {
  const ProjectionProblem& p = drawn.problem;
  const ProjectionTarget& target = p.targets[0];
  const QuantisedWeight& weight = drawn.weight;
  const double rounding = drawn.output.type() == DType::float32   ? 0
                          : drawn.output.type() == DType::float16 ? 1e-3
                                                                  : 8e-3;
  for (int64_t row = 0; row < p.rows; ++row) {
    std::vector<float> x;
    for (int64_t k = 0; k < p.inner; ++k) x.push_back(static_cast<float>(drawn.input[row * p.inner + k]));
    const QuantisedRow quantised = quantise(x);
    int64_t wrong = 0;
    for (int64_t c = 0; c < target.columns; ++c) {
      const int64_t column = target.first_column + c;
      double sum = 0, size = 0;
      for (int64_t g = 0; g < weight.groups(); ++g) {
        int64_t first = 0, second = 0;
        for (int64_t k = g * weight.group_size; k < std::min((g + 1) * weight.group_size, p.inner); ++k) {
          first += quantised.first[k] * drawn.multiple(column, k);
          if (!quantised.second.empty()) second += quantised.second[k] * drawn.multiple(column, k);
        }
        const double scale = drawn.scales[column * weight.groups() + g] * quantised.scale;
        const double rest = static_cast<double>(second) / 254;
        sum += (static_cast<double>(first) + rest) * scale;
        // What the second row adds may cancel the first.
        size += (std::fabs(static_cast<double>(first)) + std::fabs(rest)) * std::fabs(scale);
      }
      if (std::isnan(quantised.scale)) sum = NAN;
      sum += drawn.bias(column);
      const int64_t head = c / target.head_width, within = c % target.head_width;
      const int64_t batch = row / p.steps, step = row % p.steps;
      const double got = drawn.output[batch * target.view.batch_stride + head * target.view.head_stride +
                                      step * target.view.step_stride + within];
      // Each of fewer than 50 sums in float32 is off by at most 2^-24 of all that is summed.
      const double tolerance = 4e-6 * (size + std::fabs(drawn.bias(column))) + rounding * std::fabs(sum) +
                               (rounding > 0 ? 1e-7 : 1e-44);
      const bool right = std::isnan(sum) ? std::isnan(got) : std::fabs(got - sum) <= tolerance;
      if (!right) ++wrong;
    }
    CAPTURE(row);
    CHECK(wrong == 0);
  }
}

void solve(const ProjectionProblem& problem, Random& random) {
  Plan plan;
  cpu::plan(problem, plan);
  run(plan, random);
}

std::vector<uint8_t> bytes_of(Buffer& buffer) {
  const auto* bytes = static_cast<const uint8_t*>(buffer.data());
  return {bytes, bytes + static_cast<size_t>(buffer.size()) * size_of(buffer.type())};
}

void poison(Buffer& buffer) {
  for (int64_t i = 0; i < buffer.size(); ++i) buffer.set(i, NAN);
}

}  // namespace

TEST_CASE("products with integer weights agree with sums of the same integers in float64") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    CAPTURE(cpu::name_of(isa));
    for (uint64_t stream = 0; stream < problems(); ++stream) {
      CAPTURE(stream);
      Random random(7'000'000 + stream);
      Drawn drawn(random);
      const auto packed = cpu::pack_weight(drawn.weight);
      drawn.problem.packed = packed.get();
      solve(drawn.problem, random);
      check(drawn);
    }
  }
}

TEST_CASE("a row of a product with integers has the same bits alone and on every instruction set") {
  for (uint64_t stream = 0; stream < problems(); ++stream) {
    CAPTURE(stream);
    Random random(8'000'000 + stream);
    Drawn drawn(random);
    std::vector<uint8_t> expected;
    for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
      cpu::set_instruction_set(isa);
      CAPTURE(cpu::name_of(isa));
      const auto packed = cpu::pack_weight(drawn.weight);
      drawn.problem.packed = packed.get();
      poison(drawn.output);
      solve(drawn.problem, random);
      const std::vector<uint8_t> together = bytes_of(drawn.output);
      if (expected.empty()) expected = together;
      CHECK(together == expected);

      const int64_t row = random.integer(0, drawn.problem.rows - 1), steps = drawn.problem.steps;
      ProjectionTarget& target = drawn.problem.targets[0];
      ProjectionProblem alone = drawn.problem;
      alone.rows = alone.steps = 1;
      alone.input = static_cast<const char*>(drawn.input.data()) +
                    static_cast<size_t>(row * alone.inner) * size_of(drawn.input.type());
      Buffer one(drawn.output.type(), target.columns);
      alone.targets[0].view = {one.data(), one.type(), 0, target.head_width, 0};
      solve(alone, random);
      const std::vector<uint8_t> bytes = bytes_of(one);
      const size_t head = static_cast<size_t>(target.head_width) * size_of(one.type());
      for (int64_t h = 0; h < target.columns / target.head_width; ++h) {
        const int64_t at = row / steps * target.view.batch_stride + h * target.view.head_stride +
                           row % steps * target.view.step_stride;
        CHECK(std::memcmp(bytes.data() + static_cast<size_t>(h) * head,
                          together.data() + static_cast<size_t>(at) * size_of(one.type()), head) == 0);
      }
    }
  }
}

TEST_CASE("a row has outliers if its largest number exceeds five times the root of the mean square") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    CAPTURE(cpu::name_of(isa));
    // The root mean square of 127 and 24 zeros is a fifth of it; 0.4 is 0 unless the rest is multiplied, too.
    for (const int64_t inner : {25, 26}) {
      const std::vector<uint8_t> values(static_cast<size_t>(inner), 1);
      const float scale = 1;
      const auto packed = cpu::pack_weight({Type::int8, 1, inner, inner, values.data(), &scale});
      Buffer input(DType::float32, inner), output(DType::float32, 1);
      for (int64_t i = 0; i < inner; ++i) input.set(i, i == 3 ? 127 : 0.4f);
      ProjectionProblem problem;
      problem.rows = problem.steps = problem.columns = 1;
      problem.inner = inner;
      problem.input = input.data();
      problem.packed = packed.get();
      ProjectionTarget target{};
      target.columns = target.head_width = 1;
      target.view = {output.data(), DType::float32, 0, 0, 0};
      problem.targets.push_back(target);
      Random random(10'000'000);
      solve(problem, random);
      CHECK(output[0] == doctest::Approx(inner == 25 ? 127 : 127 + 25 * 102.0 / 254).epsilon(1e-6));
    }
  }
}

TEST_CASE("long sums of integers do not overflow") {
  Random random(9'000'000);
  const int64_t inner = 300'001, columns = 3, rows = 5;
  const std::vector<uint8_t> values(static_cast<size_t>(inner * columns), 0x81);  // −127
  const std::vector<float> scales{1, 2, 0.5f};
  const QuantisedWeight weight{Type::int8, columns, inner, inner, values.data(), scales.data()};
  Buffer input(DType::float32, rows * inner);
  for (int64_t i = 0; i < input.size(); ++i) input.set(i, i / inner % 2 ? -1 : 1);
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    CAPTURE(cpu::name_of(isa));
    const auto packed = cpu::pack_weight(weight);
    Buffer output(DType::float32, rows * columns);
    ProjectionProblem problem;
    problem.rows = problem.steps = rows;
    problem.inner = inner;
    problem.columns = columns;
    problem.input = input.data();
    problem.packed = packed.get();
    ProjectionTarget target{};
    target.columns = target.head_width = columns;
    target.view = {output.data(), DType::float32, 0, 0, columns};
    problem.targets.push_back(target);
    solve(problem, random);
    for (int64_t i = 0; i < output.size(); ++i) {
      const double expected =
          (i / columns % 2 ? 127.0 : -127.0) * static_cast<double>(inner) * scales[i % columns];
      CHECK(output[i] == doctest::Approx(expected).epsilon(1e-6));
    }
  }
}

TEST_CASE("an integer weight without elements takes no memory, whatever its columns") {
  for (const Type type : {Type::int8, Type::int4}) {
    const auto packed = cpu::pack_weight({type, int64_t{1} << 30, 0, 32, nullptr, nullptr});
    CHECK(packed->byte_length() == 0);
    CHECK(packed->columns() == int64_t{1} << 30);
  }
}

}  // namespace heed::test
