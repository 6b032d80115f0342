// Tests projections, packed and unpacked, against float64 sums on every instruction set.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "cpu/backend.h"
#include "support/half.h"
#include "support/run.h"

namespace heed::test {

namespace {

struct Types {
  DType input, weight, output;
};

struct RandomProjection {
  RandomProjection(Random& random, const Types& types);

  ProjectionProblem problem;
  DType output_type;
  Buffer input, weight;
  std::vector<Buffer> outputs;  // [batch, heads, steps, head_width] each
  std::vector<Buffer>
      tables;  // cosines and sines of the targets with a rotation, weights of those with a norm
};

// Rotates by random angles, some heads only in part.
Rotation random_rotation(Random& random, int64_t head_width, int64_t rows, std::vector<Buffer>& tables) {
  const int64_t pairs = random.integer(1, head_width / 2);
  Buffer cos(DType::float32, rows * pairs), sin(DType::float32, rows * pairs);
  for (int64_t i = 0; i < cos.size(); ++i) {
    const double angle = 3 * random.normal();
    cos.set(i, std::cos(angle));
    sin.set(i, std::sin(angle));
  }
  tables.push_back(std::move(cos));
  tables.push_back(std::move(sin));
  return {2 * pairs, random.chance(0.5), rows, static_cast<const float*>(tables[tables.size() - 2].data()),
          static_cast<const float*>(tables.back().data())};
}

// Factors for one head, for all heads alike, for each head, or for several heads that are normalised
// together.
HeadNorm random_norm(Random& random, int64_t heads, int64_t width, std::vector<Buffer>& tables) {
  HeadNorm norm;
  norm.epsilon = 0.1f;
  norm.heads = random.chance(0.3) ? heads : 1;
  norm.centered = random.chance(0.3);
  norm.shared = random.chance(0.5);
  const auto table = [&] {
    const int64_t elements = width * (norm.shared ? norm.heads : heads);
    tables.emplace_back(DType::float32, elements);
    for (int64_t i = 0; i < elements; ++i) tables.back().set(i, random.normal());
    return static_cast<const float*>(tables.back().data());
  };
  norm.weight = table();
  if (random.chance(0.3)) norm.bias = table();
  return norm;
}

RandomProjection::RandomProjection(Random& random, const Types& types)
    : output_type(types.output), input(types.input, 0), weight(types.weight, 0) {
  const int64_t batch = random.integer(1, 3), steps = random.pick<int64_t>({1, 2, 5, 13, 70});
  problem.rows = batch * steps;
  problem.steps = steps;
  problem.inner = random.pick<int64_t>({1, 7, 16, 64, 100});
  int64_t first = 0;
  for (int64_t targets = random.integer(1, 3); targets > 0; --targets) {
    const int64_t heads = random.integer(1, 4), width = random.pick<int64_t>({1, 3, 8, 16, 33, 80, 128});
    outputs.emplace_back(output_type, batch * heads * steps * width);
    ProjectionTarget target{};
    target.first_column = first;
    target.columns = heads * width;
    target.head_width = width;
    target.view = {outputs.back().data(), output_type, heads * steps * width, steps * width, width};
    if (width > 1 && random.chance(0.5)) {
      target.rotation = random_rotation(random, width, random.chance(0.5) ? steps : problem.rows, tables);
    }
    if (random.chance(0.5)) target.norm = random_norm(random, heads, width, tables);
    problem.targets.push_back(target);
    first += heads * width;
  }
  problem.columns = first;
  input = Buffer(input.type(), problem.rows * problem.inner);
  weight = Buffer(weight.type(), problem.columns * problem.inner);
  for (int64_t i = 0; i < input.size(); ++i) input.set(i, random.normal());
  for (int64_t i = 0; i < weight.size(); ++i) weight.set(i, random.normal());
  problem.input = input.data();
  problem.input_type = input.type();
  problem.weight = weight.data();
  problem.weight_type = weight.type();
  if (random.chance(0.5)) {
    for (int64_t i = 0; i < problem.columns; ++i) problem.bias.push_back(static_cast<float>(random.normal()));
  }
}

double product(const RandomProjection& made, int64_t row, int64_t column) {
  const ProjectionProblem& p = made.problem;
  double sum = p.bias.empty() ? 0 : p.bias[column];
  for (int64_t k = 0; k < p.inner; ++k)
    sum += made.input[row * p.inner + k] * made.weight[column * p.inner + k];
  return sum;
}

// Normalises the heads of a row that belong together.
void normalise(const HeadNorm& norm, int64_t own, std::vector<double>& x) {
  const auto count = static_cast<double>(x.size());
  double mean = 0, squares = 0;
  for (const double element : x) mean += norm.centered ? element / count : 0;
  for (const double element : x) squares += (element - mean) * (element - mean);
  const double root = std::sqrt(squares / count + norm.epsilon);
  for (size_t i = 0; i < x.size(); ++i) {
    const int64_t at = (norm.shared ? 0 : own) + static_cast<int64_t>(i);
    x[i] = (x[i] - mean) / root * norm.weight[at] + (norm.bias == nullptr ? 0 : norm.bias[at]);
  }
}

// The unrounded head of a row; `column` is its first column.
std::vector<double> truth_of(const RandomProjection& made, const ProjectionTarget& target, int64_t row,
                             int64_t column) {
  const int64_t within = column - target.first_column;
  const int64_t first = within - within % target.whole_width();
  std::vector<double> together;
  for (int64_t i = 0; i < target.whole_width(); ++i)
    together.push_back(product(made, row, target.first_column + first + i));
  if (target.norm.weight != nullptr) normalise(target.norm, first, together);
  const auto begin = together.begin() + (within - first);
  std::vector<double> head(begin, begin + target.head_width);
  const Rotation& rotation = target.rotation;
  const int64_t pairs = rotation.width / 2;
  for (int64_t pair = 0; pair < pairs; ++pair) {
    double& x = head[rotation.interleaved ? 2 * pair : pair];
    double& y = head[rotation.interleaved ? 2 * pair + 1 : pair + pairs];
    const int64_t at = row % rotation.rows * pairs + pair;
    const double turned = x * rotation.cos[at] - y * rotation.sin[at];
    y = x * rotation.sin[at] + y * rotation.cos[at];
    x = turned;
  }
  return head;
}

void check(const RandomProjection& made, uint64_t stream) {
  const ProjectionProblem& p = made.problem;
  double error = 0, norm = 0;
  for (size_t t = 0; t < p.targets.size(); ++t) {
    const ProjectionTarget& target = p.targets[t];
    const int64_t heads = target.columns / target.head_width;
    for (int64_t i = 0; i < made.outputs[t].size(); i += target.head_width) {
      const int64_t step = i / target.head_width % p.steps;
      const int64_t head = i / target.head_width / p.steps % heads,
                    batch = i / target.head_width / p.steps / heads;
      const std::vector<double> truth =
          truth_of(made, target, batch * p.steps + step, target.first_column + head * target.head_width);
      for (int64_t within = 0; within < target.head_width; ++within) {
        const double got = made.outputs[t][i + within];
        error += (got - truth[within]) * (got - truth[within]);
        norm += truth[within] * truth[within];
      }
    }
  }
  CAPTURE(stream);
  const double tolerance = made.output_type == DType::float32   ? 3e-6
                           : made.output_type == DType::float16 ? 2e-3
                                                                : 1e-2;
  // The norm of a few elements may be close to 0, as products cancel out, so it is at least that of one
  // element.
  CHECK(std::sqrt(error) <= tolerance * std::sqrt(std::fmax(norm, static_cast<double>(p.inner))));
}

// Solves a problem with its weight as it is, and packed.
void check_both(RandomProjection& made, Random& random, uint64_t stream) {
  Plan plain;
  cpu::plan(made.problem, plain);
  run(plain, random);
  check(made, stream);

  for (Buffer& output : made.outputs) {
    for (int64_t i = 0; i < output.size(); ++i) output.set(i, NAN);
  }
  const auto packed =
      cpu::pack_weight(made.weight.data(), made.weight.type(), made.problem.columns, made.problem.inner);
  made.problem.packed = packed.get();
  made.problem.weight = nullptr;
  Plan panels;
  cpu::plan(made.problem, panels);
  run(panels, random);
  check(made, stream);
}

}  // namespace

TEST_CASE("projections agree with float64 sums on random problems") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    for (uint64_t stream = 0; stream < problems(); ++stream) {
      Random random(1'000'000 + stream);
      const auto type = [&] { return random.pick({DType::float32, DType::float16, DType::bfloat16}); };
      const Types types{type(), type(), type()};
      RandomProjection made(random, types);
      check_both(made, random, stream);
    }
  }
}

// Sums are float32 whatever multiplies, and a float32 output tells: its bar is that of float32.
TEST_CASE("products of bfloat16 are exact, and so is float32 times bfloat16") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    for (uint64_t stream = 0; stream < problems() / 2; ++stream) {
      Random random(1'100'000 + stream);
      const DType input = random.pick({DType::bfloat16, DType::bfloat16, DType::float32});
      RandomProjection made(random, {input, DType::bfloat16, DType::float32});
      check_both(made, random, stream);
    }
  }
}

// Few rows with a weight as it is take another kernel than many rows, or a packed weight.
TEST_CASE("a row has the same bits alone and among others, times a weight as it is and packed") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    for (uint64_t stream = 0; stream < problems() / 5; ++stream) {
      Random random(1'200'000 + stream);
      const auto type = [&] { return random.pick({DType::float32, DType::bfloat16, DType::bfloat16}); };
      const int64_t rows = random.integer(2, 14), inner = random.integer(1, 90),
                    columns = random.integer(1, 150);
      Buffer input(type(), rows * inner), weight(type(), columns * inner);
      for (Buffer* buffer : {&input, &weight}) {
        for (int64_t i = 0; i < buffer->size(); ++i) buffer->set(i, random.normal());
      }
      const auto packed = cpu::pack_weight(weight.data(), weight.type(), columns, inner);
      const auto product = [&](int64_t first, int64_t count, bool as_packed) {
        Buffer output(DType::float32, count * columns);
        ProjectionProblem problem;
        problem.input =
            static_cast<char*>(input.data()) + static_cast<size_t>(first * inner) * size_of(input.type());
        problem.input_type = input.type();
        problem.rows = problem.steps = count;
        problem.inner = inner;
        problem.columns = columns;
        if (as_packed) problem.packed = packed.get();
        if (!as_packed) problem.weight = weight.data();
        problem.weight_type = weight.type();
        ProjectionTarget target{};
        target.columns = target.head_width = columns;
        target.view = {output.data(), DType::float32, 0, 0, columns};
        problem.targets.push_back(target);
        Plan plan;
        cpu::plan(problem, plan);
        run(plan, random);
        return output;
      };
      Buffer all = product(0, rows, true);
      bool same = true;
      for (const bool as_packed : {false, true}) {
        for (int64_t count = 1; count < 6 && count <= rows; ++count) {
          const int64_t first = random.integer(0, rows - count);
          Buffer some = product(first, count, as_packed);
          for (int64_t i = 0; i < some.size(); ++i) same &= some[i] == all[first * columns + i];
        }
      }
      CAPTURE(stream);
      CAPTURE(std::string(cpu::name_of(isa)));
      CHECK(same);
    }
  }
}

TEST_CASE("an empty projection has nothing to do") {
  ProjectionProblem nothing;
  Plan plan;
  cpu::plan(nothing, plan);
  CHECK(plan.empty());
}

}  // namespace heed::test
