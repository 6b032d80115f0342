// Tests norms of rows on the emulator against their definition in float64.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "cuda/launchers.h"
#include "machine/device_memory.h"
#include "support/drawn.h"
#include "support/half.h"
#include "support/random.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;
using Use = DeviceMemory::Use;

// Rows of numbers around a mean, and their factors.
struct RandomNorm {
  RandomNorm(Random& random, DType type, int64_t rows, int64_t width, double size, bool with_residual)
      : x(type, rows * width),
        residual(type, with_residual ? rows * width : 0),
        sum(type, residual.size()),
        output(type, rows * width),
        weight(random.pick({DType::float32, DType::float16, DType::bfloat16}), width),
        bias(random.pick({DType::float32, DType::float16, DType::bfloat16}), width) {
    problem.rows = rows;
    problem.width = width;
    problem.type = type;
    problem.weight_type = weight.type();
    problem.bias_type = bias.type();
    problem.offset = random.pick({0.0F, 1.0F});
    problem.epsilon = random.pick({1e-6F, 1e-3F}) * static_cast<float>(size * size);
    problem.centered = random.chance(0.5);
    const double mean = random.pick({0.0, 0.5});
    for (Buffer* rows_of : {&x, &residual}) {
      for (int64_t i = 0; i < rows_of->size(); ++i) rows_of->set(i, size * (random.normal() + mean));
    }
    for (Buffer* factors : {&weight, &bias}) {
      for (int64_t i = 0; i < width; ++i) factors->set(i, random.normal());
    }
  }

  // With everything `offset` elements after an aligned address.
  Counts solve(Random& random, bool with_bias, int64_t offset = 0) {
    Machine machine(schedule(random));
    std::vector<std::unique_ptr<DeviceMemory>> memories;
    const auto place = [&](Use use, Buffer& buffer) -> DeviceMemory& {
      memories.push_back(std::make_unique<DeviceMemory>(
          machine, "rows", use, use == Use::input ? buffer.data() : nullptr, bytes_of(buffer),
          static_cast<size_t>(offset) * size_of(buffer.type())));
      return *memories.back();
    };
    NormProblem placed = problem;
    placed.input = place(Use::input, x).data();
    placed.weight = place(Use::input, weight).data();
    if (with_bias) placed.bias = place(Use::input, bias).data();
    DeviceMemory& to = place(Use::output, output);
    placed.output = to.data();
    DeviceMemory& sums = place(Use::output, sum);
    if (residual.size() > 0) {
      placed.residual = place(Use::input, residual).data();
      placed.sum = sums.data();
    }
    EmulatedWorkspace workspace(machine);
    cuda::norm(placed, workspace);
    to.read_back(output.data());
    sums.read_back(sum.data());
    return machine.counts();
  }

  void check(bool with_bias) const {
    for (int64_t i = 0; i < sum.size(); ++i) CHECK(sum[i] == test::rounded(sum.type(), x[i] + residual[i]));
    const Buffer& rows = sum.size() > 0 ? sum : x;
    const double tolerance = rows.type() == DType::float32   ? 1e-5
                             : rows.type() == DType::float16 ? 1e-3
                                                             : 5e-3;
    for (int64_t row = 0; row < problem.rows; ++row) {
      double mean = 0, squares = 0;
      const int64_t first = row * problem.width;
      const auto count = static_cast<double>(problem.width);
      for (int64_t d = 0; problem.centered && d < problem.width; ++d) mean += rows[first + d] / count;
      for (int64_t d = 0; d < problem.width; ++d) squares += std::pow(rows[first + d] - mean, 2) / count;
      const double deviation = std::sqrt(squares + problem.epsilon);
      double most = 0;
      for (int64_t d = 0; d < problem.width; ++d) {
        const double factor = weight[d] + problem.offset, term = with_bias ? bias[d] : 0;
        const double normal = (rows[first + d] - mean) / deviation;
        const double scale = std::fabs(factor) * (1 + std::fabs(normal)) + std::fabs(term) + 1e-4;
        const double error = std::fabs(output[first + d] - (normal * factor + term)) / scale;
        // Not below the tolerance where it is NaN, too.
        most = error <= most ? most : error;
      }
      CHECK(most <= tolerance);
    }
  }

  NormProblem problem;
  Buffer x, residual, sum, output, weight, bias;
};

}  // namespace

TEST_CASE("norm: rows of any width, with and without a residual") {
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(11'000'000 + stream);
    const int64_t width = random.chance(0.5)   ? random.integer(1, 90)
                          : random.chance(0.8) ? 8 * random.integer(8, 90)
                                               : 2051;
    const bool bias = random.chance(0.5);
    RandomNorm made(random, random.pick({DType::float32, DType::float16, DType::bfloat16}),
                    random.integer(0, 7), width, random.pick({1.0, 0.1, 30.0}), random.chance(0.5));
    made.solve(random, bias, random.chance(0.3) ? random.integer(1, 3) : 0);
    made.check(bias);
  }
}

TEST_CASE("norm: rows that do not fit into registers") {
  Random random(11);
  for (const DType type : types) {
    for (const int64_t width : {40'000, 33'001}) {
      RandomNorm made(random, type, 2, width, 1, width == 40'000);
      made.solve(random, true);
      made.check(true);
    }
  }
}

TEST_CASE("norm: squares beyond float32, in a warp and in several") {
  Random random(12);
  for (const double size : {1e25, 1e-25}) {
    for (const int64_t width : {60, 3000}) {
      RandomNorm made(random, DType::float32, 3, width, size, random.chance(0.5));
      made.problem.epsilon = 0;
      made.solve(random, true);
      made.check(true);
    }
  }
}

// Chunks of 8 elements ask for their factors in two halves, the second of which are in the first-level cache.
TEST_CASE("norm: reads and writes whole sectors of its rows, each once") {
  Random random(13);
  for (const DType type : types) {
    for (const int64_t width : {256, 4096}) {
      RandomNorm made(random, type, 4, width, 1, true);
      const Counts counts = made.solve(random, false);
      const size_t rows = 4 * static_cast<size_t>(width) * size_of(type);
      const size_t factors = 4 * static_cast<size_t>(width) * size_of(made.weight.type());
      CHECK(counts.global_loads.bytes == 2 * rows + factors);
      CHECK(counts.global_loads.wasted() == (size_of(type) == 2 ? factors / 32 : 0));
      CHECK(counts.global_stores.bytes == 2 * rows);
      CHECK(counts.global_stores.wasted() == 0);
    }
  }
}

}  // namespace heed::emulator
