// Tests merge on the emulator against the definition in float64.
#include "cuda/launchers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "machine/device_memory.h"
#include "support/half.h"
#include "support/random.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using test::Buffer;

struct Part {
  Buffer output, log_sum_exp;
};

// Sometimes a part has attended nothing, and then its output is NaN.
Part random_part(test::Random& random, DType type, int64_t rows, int64_t width) {
  Part part{Buffer(type, rows * width), Buffer(DType::float32, rows)};
  for (int64_t row = 0; row < rows; ++row) {
    const bool nothing = random.chance(0.2);
    part.log_sum_exp.set(row, nothing ? -INFINITY : random.normal() * random.pick({1.0, 30.0}));
    for (int64_t d = 0; d < width; ++d)
      part.output.set(row * width + d, nothing ? NAN : static_cast<double>(random.integer(-64, 64)) / 32);
  }
  return part;
}

void merge_and_compare(test::Random& random) {
  const DType type = random.pick({DType::float32, DType::float16, DType::bfloat16});
  const int64_t rows = random.integer(0, 20), width = random.integer(0, 80),
                // 64 parts lie in the parameters of the kernel.
      count = random.chance(0.1) ? 70 : random.integer(0, 5);
  std::vector<Part> parts;
  for (int64_t i = 0; i < count; ++i) parts.push_back(random_part(random, type, rows, width));

  Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
  using Use = DeviceMemory::Use;
  std::vector<std::unique_ptr<DeviceMemory>> memories;
  const auto place = [&](Use use, Buffer& buffer) {
    const size_t bytes = static_cast<size_t>(buffer.size()) * size_of(buffer.type());
    const void* values = use == Use::input ? buffer.data() : nullptr;
    memories.push_back(std::make_unique<DeviceMemory>(machine, "part", use, values, bytes));
    return memories.back()->data();
  };
  MergeProblem problem;
  problem.rows = rows;
  problem.width = width;
  problem.type = type;
  if (random.chance(0.5)) {
    const int64_t heads = random.integer(1, 4);
    for (int64_t head = 0; head < heads; ++head)
      problem.sinks.push_back(static_cast<float>(random.normal() * random.pick({1.0, 30.0})));
    problem.rows_per_head = random.integer(1, 5);
  }
  for (Part& part : parts) {
    const void* output = place(Use::input, part.output);
    problem.parts.push_back({output, static_cast<const float*>(place(Use::input, part.log_sum_exp))});
  }
  Buffer output(type, rows * width), log_sum_exp(DType::float32, rows);
  problem.output = place(Use::output, output);
  problem.log_sum_exp = static_cast<float*>(place(Use::output, log_sum_exp));
  EmulatedWorkspace workspace(machine);
  cuda::merge(problem, workspace);

  double error = 0, norm = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const auto heads = static_cast<int64_t>(problem.sinks.size());
    const double sink = heads == 0 ? -INFINITY : problem.sinks[row / problem.rows_per_head % heads];
    double highest = sink;
    for (const Part& part : parts) highest = std::fmax(highest, part.log_sum_exp[row]);
    double sum = heads == 0 ? 0 : std::exp(sink - highest);
    for (const Part& part : parts) {
      if (std::isfinite(part.log_sum_exp[row])) sum += std::exp(part.log_sum_exp[row] - highest);
    }
    const double found = problem.log_sum_exp[row], expected = sum == 0 ? -INFINITY : highest + std::log(sum);
    CHECK((found == expected || std::fabs(found - expected) <= 3e-6 * (1 + std::fabs(expected))));
    for (int64_t d = 0; d < width; ++d) {
      double truth = 0;
      for (const Part& part : parts) {
        if (std::isfinite(part.log_sum_exp[row]))
          truth += std::exp(part.log_sum_exp[row] - highest) / sum * part.output[row * width + d];
      }
      error += std::pow(test::read(problem.output, type, row * width + d) - truth, 2);
      norm += truth * truth;
    }
  }
  const double tolerance = type == DType::float32 ? 1e-5 : type == DType::float16 ? 2e-3 : 1e-2;
  CHECK(std::sqrt(error) <= tolerance * std::fmax(std::sqrt(norm), 0.1));
}

}  // namespace

TEST_CASE("merge: any number of parts, some of which attended nothing") {
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    test::Random random(7'000'000 + stream);
    merge_and_compare(random);
  }
}

}  // namespace heed::emulator
