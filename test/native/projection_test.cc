// Projections, packed and not, against float64 sums on every instruction set.
#include <doctest/doctest.h>

#include <cmath>

#include "cpu/backend.h"
#include "support/half.h"
#include "support/run.h"

namespace heed::test {

namespace {

struct RandomProjection {
  explicit RandomProjection(Random& random);

  ProjectionProblem problem;
  DType output_type;
  Buffer input, weight;
  std::vector<Buffer> outputs;  // [batch, heads, steps, head_width] each
};

RandomProjection::RandomProjection(Random& random)
    : output_type(random.pick({DType::float32, DType::float16, DType::bfloat16})),
      input(random.pick({DType::float32, DType::float16, DType::bfloat16}), 0),
      weight(DType::float32, 0) {
  const int64_t batch = random.integer(1, 3), steps = random.pick<int64_t>({1, 2, 5, 13, 70});
  problem.rows = batch * steps;
  problem.steps = steps;
  problem.inner = random.pick<int64_t>({1, 7, 16, 64, 100});
  int64_t first = 0;
  for (int64_t targets = random.integer(1, 3); targets > 0; --targets) {
    const int64_t heads = random.integer(1, 4), width = random.pick<int64_t>({1, 3, 8, 16, 33});
    outputs.emplace_back(output_type, batch * heads * steps * width);
    problem.targets.push_back(
        {first,
         heads * width,
         width,
         {outputs.back().data(), output_type, heads * steps * width, steps * width, width}});
    first += heads * width;
  }
  problem.columns = first;
  input = Buffer(input.type(), problem.rows * problem.inner);
  weight =
      Buffer(random.pick({DType::float32, DType::float16, DType::bfloat16}), problem.columns * problem.inner);
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

void check(const RandomProjection& made, uint64_t stream) {
  const ProjectionProblem& p = made.problem;
  double error = 0, norm = 0;
  for (size_t t = 0; t < p.targets.size(); ++t) {
    const ProjectionTarget& target = p.targets[t];
    const int64_t heads = target.columns / target.head_width;
    for (int64_t i = 0; i < made.outputs[t].size(); ++i) {
      const int64_t within = i % target.head_width, step = i / target.head_width % p.steps;
      const int64_t head = i / target.head_width / p.steps % heads,
                    batch = i / target.head_width / p.steps / heads;
      const int64_t column = target.first_column + head * target.head_width + within,
                    row = batch * p.steps + step;
      double truth = p.bias.empty() ? 0 : p.bias[column];
      for (int64_t k = 0; k < p.inner; ++k)
        truth += made.input[row * p.inner + k] * made.weight[column * p.inner + k];
      const double got = made.outputs[t][i];
      error += (got - truth) * (got - truth);
      norm += truth * truth;
    }
  }
  CAPTURE(stream);
  const double tolerance = made.output_type == DType::float32   ? 3e-6
                           : made.output_type == DType::float16 ? 2e-3
                                                                : 1e-2;
  // Of a few elements the norm may be next to nothing, as products cancel out: it counts as that of one.
  CHECK(std::sqrt(error) <= tolerance * std::sqrt(std::fmax(norm, static_cast<double>(p.inner))));
}

}  // namespace

TEST_CASE("projections agree with float64 sums on random problems") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    for (uint64_t stream = 0; stream < problems(); ++stream) {
      Random random(1'000'000 + stream);
      RandomProjection made(random);
      Plan plain;
      cpu::plan_projection(made.problem, plain);
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
      cpu::plan_projection(made.problem, panels);
      run(panels, random);
      check(made, stream);
    }
  }
}

TEST_CASE("an empty projection has nothing to do") {
  ProjectionProblem nothing;
  Plan plan;
  cpu::plan_projection(nothing, plan);
  CHECK(plan.empty());
}

}  // namespace heed::test
