// Tests projections on the emulator against float64 sums.
#include "cuda/launchers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "cuda/unsupported.h"
#include "machine/machine.h"
#include "support/drawn.h"
#include "support/half.h"
#include "support/random.h"
#include "support/sparse.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;

struct Target {
  int64_t heads, width;
};

// Memory that a problem points to, registered with a machine. Padding that must not be written separates the
// rows of the outputs.
struct Projection {
  Projection(Random& random, DType type, DType output_type, int64_t batch, int64_t steps, int64_t inner,
             const std::vector<Target>& targets, bool bias = true)
      : input(type, batch * steps * inner), output_type(output_type), weight(type, 0) {
    problem.rows = batch * steps;
    problem.steps = steps;
    problem.inner = inner;
    for (const Target& target : targets) {
      const int64_t padding = random.pick<int64_t>({0, 0, 3}), row = target.width + padding;
      outputs.emplace_back(output_type, batch * target.heads * steps * row);
      MutableView view{outputs.back().data(), output_type, target.heads * steps * row, steps * row, row};
      if (random.chance(0.5)) {
        view.head_stride = row;
        view.step_stride = target.heads * row;
      }
      problem.targets.push_back({problem.columns, target.heads * target.width, target.width, view, {}, {}});
      problem.columns += target.heads * target.width;
    }
    weight = Buffer(type, problem.columns * inner);
    for (int64_t i = 0; i < input.size(); ++i) input.set(i, random.normal());
    for (int64_t i = 0; i < weight.size(); ++i) weight.set(i, random.normal());
    for (int64_t i = 0; bias && i < problem.columns; ++i) {
      problem.bias.push_back(static_cast<float>(random.normal()));
    }
    problem.input = input.data();
    problem.weight = weight.data();
    problem.input_type = problem.weight_type = type;
  }

  // Rotates each target, or not, at random.
  void rotate(Random& random) {
    for (ProjectionTarget& target : problem.targets) {
      Rotation& rotation = target.rotation;
      rotation.width = random.integer(0, target.head_width / 2) * 2;
      rotation.interleaved = random.chance(0.5);
      rotation.rows = random.pick({int64_t{1}, problem.steps, problem.rows});
      std::vector<float> cos, sin;
      for (int64_t i = 0; i < rotation.rows * rotation.width / 2; ++i) {
        cos.push_back(static_cast<float>(std::cos(static_cast<double>(i))));
        sin.push_back(static_cast<float>(std::sin(static_cast<double>(i))));
      }
      tables.push_back(std::move(cos));
      tables.push_back(std::move(sin));
      rotation.cos = tables[tables.size() - 2].data();
      rotation.sin = tables.back().data();
    }
  }

  // Normalises the heads of each target, or not, at random: each by itself or several together, with factors
  // of their own or common ones.
  void norm(Random& random) {
    for (ProjectionTarget& target : problem.targets) {
      if (random.chance(0.3)) continue;
      HeadNorm& norm = target.norm;
      const int64_t heads = target.columns / target.head_width;
      if (random.chance(0.5)) norm.heads = random.chance(0.7) || heads % 2 != 0 ? heads : heads / 2;
      norm.epsilon = random.pick({1e-6F, 0.5F});
      norm.centered = random.chance(0.4);
      norm.shared = random.chance(0.5);
      const int64_t factors = target.head_width * (norm.shared ? norm.heads : heads);
      norm.weight = table(random, factors, 1);
      if (random.chance(0.4)) norm.bias = table(random, factors, 0);
    }
  }

  const float* table(Random& random, int64_t count, double mean) {
    std::vector<float> numbers;
    for (int64_t i = 0; i < count; ++i) numbers.push_back(static_cast<float>(mean + random.normal() / 4));
    tables.push_back(std::move(numbers));
    return tables.back().data();
  }

  void solve(Machine& machine) {
    for (const std::vector<float>& table : tables)
      machine.input(table.data(), table.size() * sizeof(float), "table");
    machine.input(input.data(), static_cast<size_t>(input.size()) * size_of(input.type()), "input");
    machine.input(weight.data(), static_cast<size_t>(weight.size()) * size_of(weight.type()), "weight");
    for (Buffer& output : outputs) {
      machine.output(output.data(), static_cast<size_t>(output.size()) * size_of(output_type), "output");
    }
    EmulatedWorkspace workspace(machine);
    cuda::projection(problem, workspace);
  }

  void check() const {
    double error = 0, norm = 0;
    int64_t written = 0, elements = 0;
    for (size_t t = 0; t < outputs.size(); ++t) {
      const ProjectionTarget& target = problem.targets[t];
      for (int64_t i = 0; i < outputs[t].size(); ++i) written += !std::isnan(outputs[t][i]);
      elements += problem.rows * target.columns;
      for (int64_t row = 0; row < problem.rows; ++row) {
        for (int64_t head = 0; head * target.head_width < target.columns; ++head) {
          double divisor = 1;
          const std::vector<double> expected = head_of(target, row, head, divisor);
          const MutableView& view = target.view;
          const int64_t at = row / problem.steps * view.batch_stride + head * view.head_stride +
                             row % problem.steps * view.step_stride;
          for (int64_t d = 0; d < target.head_width; ++d) {
            const double truth = expected[static_cast<size_t>(d)], got = outputs[t][at + d];
            // What a norm divides a small head by, it divides the error of its sums by.
            const double apart = (got - truth) * std::fmin(divisor, 1);
            error += apart * apart;
            norm += truth * truth;
          }
        }
      }
    }
    CHECK(written == elements);
    const double tolerance = output_type == DType::float32   ? 3e-6
                             : output_type == DType::float16 ? 2e-3
                                                             : 1e-2;
    CHECK(std::sqrt(error) <= tolerance * std::sqrt(std::fmax(norm, static_cast<double>(problem.inner))));
  }

  double sum(int64_t row, int64_t column) const {
    double sum = problem.bias.empty() ? 0 : problem.bias[static_cast<size_t>(column)];
    for (int64_t k = 0; k < problem.inner; ++k) {
      sum += input[row * problem.inner + k] * weight[column * problem.inner + k];
    }
    return sum;
  }
  // A head of a row of a target, after its norm, which divides it by `divisor`, and its rotation.
  std::vector<double> head_of(const ProjectionTarget& target, int64_t row, int64_t head,
                              double& divisor) const {
    std::vector<double> elements;
    for (int64_t d = 0; d < target.head_width; ++d)
      elements.push_back(sum(row, target.first_column + head * target.head_width + d));
    if (target.norm.weight != nullptr) normalise(target, row, head, elements, divisor);
    const Rotation& rotation = target.rotation;
    const int64_t pairs = rotation.width / 2;
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const auto first = static_cast<size_t>(rotation.interleaved ? 2 * pair : pair);
      const size_t second = first + static_cast<size_t>(rotation.interleaved ? 1 : pairs);
      const double cos = rotation.cos[row % rotation.rows * pairs + pair];
      const double sin = rotation.sin[row % rotation.rows * pairs + pair];
      const double x = elements[first], y = elements[second];
      elements[first] = x * cos - y * sin;
      elements[second] = x * sin + y * cos;
    }
    return elements;
  }

  // One of the heads that are normalised together.
  void normalise(const ProjectionTarget& target, int64_t row, int64_t head, std::vector<double>& elements,
                 double& divisor) const {
    const HeadNorm& norm = target.norm;
    const int64_t first = (head - head % norm.heads) * target.head_width;
    std::vector<double> all;
    for (int64_t d = 0; d < norm.heads * target.head_width; ++d)
      all.push_back(sum(row, target.first_column + first + d));
    const auto count = static_cast<double>(all.size());
    const double mean = norm.centered ? std::accumulate(all.begin(), all.end(), 0.0) / count : 0;
    double squares = 0;
    for (const double x : all) squares += (x - mean) * (x - mean);
    divisor = std::sqrt(squares / count + norm.epsilon);
    for (size_t d = 0; d < elements.size(); ++d) {
      const int64_t within = head * target.head_width + static_cast<int64_t>(d);
      const int64_t at = norm.shared ? within - first : within;
      elements[d] = (elements[d] - mean) / divisor * norm.weight[at];
      if (norm.bias != nullptr) elements[d] += norm.bias[at];
    }
  }

  ProjectionProblem problem;
  std::vector<std::vector<float>> tables;
  Buffer input;
  DType output_type;
  Buffer weight;
  std::vector<Buffer> outputs;
};

}  // namespace

TEST_CASE("projections agree with float64 sums on random problems and schedules") {
  for (uint64_t stream = 0; stream < 4 * test::problems(); ++stream) {
    Random random(2'000'000 + stream);
    CAPTURE(stream);
    std::vector<Target> targets;
    for (int64_t count = random.pick<int64_t>({1, 2, 3, 3, 10}); count > 0; --count) {
      targets.push_back({random.integer(1, 3), random.pick<int64_t>({1, 3, 4, 8, 16, 33, 64})});
    }
    const int64_t steps = random.pick<int64_t>({1, 2, 5, 16, 17, random.integer(1, 90)});
    Projection made(random, random.pick(types), random.pick(types), random.integer(1, 3), steps,
                    random.pick<int64_t>({1, 7, 8, 31, 32, 33, 64, 72, 100, random.integer(1, 200)}), targets,
                    random.chance(0.5));
    if (random.chance(0.4)) made.norm(random);
    if (random.chance(0.4)) made.rotate(random);
    Machine machine(schedule(random));
    made.solve(machine);
    made.check();
  }
}

TEST_CASE("projections at the edges of tiles") {
  Random random(2);
  for (const DType type : types) {
    for (const int64_t rows : {1, 15, 16, 17, 127, 128, 129}) {
      for (const Target& target : {Target{1, 31}, {1, 32}, {1, 33}, {1, 127}, {2, 64}, {3, 43}}) {
        Projection made(random, type, type, 1, rows, random.pick<int64_t>({0, 1, 15, 16, 17, 63, 64, 65}),
                        {target});
        Machine machine(schedule(random));
        made.solve(machine);
        made.check();
      }
    }
  }
}

// Uses memory that is aligned like CUDA's.
void solve_aligned(Projection& made, Machine& machine) {
  const auto aligned = [&machine](Buffer& buffer, const char* name) {
    return DeviceMemory(machine, name, DeviceMemory::Use::input, buffer.data(),
                        static_cast<size_t>(buffer.size()) * size_of(buffer.type()));
  };
  const DeviceMemory input = aligned(made.input, "input"), weight = aligned(made.weight, "weight");
  made.problem.input = input.data();
  made.problem.weight = weight.data();
  machine.output(made.outputs[0].data(),
                 static_cast<size_t>(made.outputs[0].size()) * size_of(made.output_type), "output");
  EmulatedWorkspace workspace(machine);
  cuda::projection(made.problem, workspace);
}

TEST_CASE("a projection by tiles reads its operands once, in whole sectors, and never meets in a bank") {
  Random random(3);
  for (const DType type : types) {
    const auto bytes = static_cast<uint64_t>(size_of(type));
    constexpr int64_t inner = 256;
    Projection made(random, type, type, 1, 128, inner, {{1, 128}});
    Machine machine(schedule(random));
    solve_aligned(made, machine);
    made.check();
    const Counts loads = machine.counts_within("copy_tile"), all = machine.counts();
    CHECK(loads.global_loads.bytes == 2 * 128 * inner * bytes);
    CHECK(loads.global_loads.wasted() == 0);
    CHECK(all.bank_conflicts() == 0);
    CHECK(all.matrix_instructions == (type == DType::float32 ? 0 : 8 * 16 * inner / 16));
    CHECK(all.barriers == inner * bytes / 64 + 2);
  }
}

TEST_CASE("a projection of few rows reads the weight once, in whole sectors, and never meets in a bank") {
  Random random(6);
  for (const DType type : types) {
    const auto bytes = static_cast<uint64_t>(size_of(type));
    constexpr int64_t inner = 256, columns = 128;
    Projection made(random, type, type, 1, 16, inner, {{2, 64}});
    Machine machine(schedule(random));
    solve_aligned(made, machine);
    made.check();
    const Counts weight = machine.counts_within("load_weight"), all = machine.counts();
    CHECK(weight.global_loads.bytes == columns * inner * bytes);
    CHECK(weight.global_loads.wasted() == 0);
    CHECK(machine.counts_within("load_input").global_loads.wasted() == 0);
    CHECK(all.bank_conflicts() == 0);
  }
}

TEST_CASE("projections reach beyond 2^31 elements") {
  Random random(4);
  for (const DType type : types) {
    for (const int64_t steps : {3, 20}) {
      constexpr int64_t inner = 64, columns = (int64_t{1} << 31) / inner + 40, heads = 2, width = 20;
      const Sparse weight(static_cast<size_t>(columns * inner) * size_of(type));
      const int64_t batch_stride = (int64_t{1} << 31) + 8;
      const Sparse output(static_cast<size_t>(2 * batch_stride) * size_of(type));
      Projection made(random, type, type, 2, steps, inner, {{heads, width}});
      for (int64_t i = 0; i < made.weight.size(); ++i) {
        test::write(weight.data(), type, (columns - heads * width) * inner + i, made.weight[i]);
      }
      ProjectionProblem problem = made.problem;
      problem.columns = columns;
      problem.weight = weight.data();
      problem.bias.clear();
      problem.targets[0] = {columns - heads * width,
                            heads * width,
                            width,
                            {output.data(), type, batch_stride, width, heads * width},
                            {},
                            {}};
      Machine machine(schedule(random));
      machine.input(made.input.data(), static_cast<size_t>(made.input.size()) * size_of(type), "input");
      machine.input(weight.data(), weight.bytes(), "weight");
      machine.output(output.data(), output.bytes(), "output");
      EmulatedWorkspace workspace(machine);
      cuda::projection(problem, workspace);
      double error = 0, norm = 0;
      for (int64_t row = 0; row < problem.rows; ++row) {
        for (int64_t column = 0; column < heads * width; ++column) {
          double truth = 0;
          for (int64_t k = 0; k < inner; ++k)
            truth += made.input[row * inner + k] * made.weight[column * inner + k];
          const double got = test::read(output.data(), type,
                                        row / steps * batch_stride + row % steps * heads * width + column);
          error += (got - truth) * (got - truth);
          norm += truth * truth;
        }
      }
      CHECK(std::sqrt(error) <= 1e-2 * std::sqrt(norm));
    }
  }
}

TEST_CASE("a projection that these kernels cannot do is refused") {
  Random random(5);
  Machine machine(1);
  EmulatedWorkspace workspace(machine);
  Projection made(random, DType::float16, DType::float16, 1, 2, 8, {{1, 8}});
  made.problem.weight_type = DType::float32;
  CHECK_THROWS_AS(cuda::projection(made.problem, workspace), cuda::Unsupported);
  made.problem.weight_type = DType::float16;
  made.problem.inner = int64_t{1} << 31;
  CHECK_THROWS_AS(cuda::projection(made.problem, workspace), cuda::Unsupported);
  made.problem.rows = 0;
  cuda::projection(made.problem, workspace);
}

}  // namespace heed::emulator
