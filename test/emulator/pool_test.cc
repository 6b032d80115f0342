// Tests pooling on the emulator against its definition in float64.
#include <doctest/doctest.h>

#include <cmath>
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

constexpr double tolerance_of(DType type) {
  return type == DType::float32 ? 1e-6 : type == DType::float16 ? 1e-3 : 5e-3;
}

// A row of the definition.
std::vector<double> pooled(const PoolingProblem& p, const Buffer& input, size_t sequence) {
  const int64_t start = p.starts[sequence], end = p.starts[sequence + 1];
  const bool mean = p.pooling == Pooling::mean;
  const int64_t count = start == end ? 0 : mean ? end - start : 1;
  const int64_t first = p.pooling == Pooling::last ? end - count : start;
  std::vector<double> row(static_cast<size_t>(p.width));
  double squares = 0;
  for (int64_t d = 0; d < p.width; ++d) {
    double& x = row[static_cast<size_t>(d)];
    for (int64_t step = first; step < first + count; ++step)
      x += input[step * p.width + d] / static_cast<double>(count);
    squares += x * x;
  }
  if (p.normalised && squares != 0) {
    for (double& x : row) x /= std::sqrt(squares);
  }
  return row;
}

// Of a tensor of the lengths, with numbers of about `size`, that begins `offset` elements after an aligned
// address.
Counts pool_and_compare(Random& random, DType type, const std::vector<int64_t>& lengths, int64_t width,
                        Pooling pooling, bool normalised, double size = 1, int64_t offset = 0) {
  PoolingProblem problem;
  problem.width = width;
  problem.type = type;
  problem.pooling = pooling;
  problem.normalised = normalised;
  problem.starts = {0};
  for (const int64_t length : lengths) problem.starts.push_back(problem.starts.back() + length);
  Buffer input(type, problem.starts.back() * width), output(type, problem.sequences() * width);
  for (int64_t i = 0; i < input.size(); ++i) input.set(i, size * (random.normal() + 0.5));
  Machine machine(schedule(random));
  const DeviceMemory from(machine, "input", Use::input, input.data(), bytes_of(input),
                          static_cast<size_t>(offset) * size_of(type));
  const DeviceMemory to(machine, "output", Use::output, nullptr, bytes_of(output));
  problem.input = from.data();
  problem.output = to.data();
  EmulatedWorkspace workspace(machine);
  cuda::pool(problem, workspace);
  to.read_back(output.data());
  double most = 0;
  for (size_t sequence = 0; sequence < lengths.size(); ++sequence) {
    const std::vector<double> row = pooled(problem, input, sequence);
    for (int64_t d = 0; d < width; ++d) {
      const double truth = row[static_cast<size_t>(d)];
      const double found = output[static_cast<int64_t>(sequence) * width + d];
      const double error = std::fabs(found - truth) / (std::fabs(truth) + 1e-3 * (normalised ? 1 : size));
      most = error <= most ? most : error;
    }
  }
  CHECK(most <= tolerance_of(type));
  return machine.counts_within("pool_kernel");
}

}  // namespace

TEST_CASE("pool: sequences of any lengths") {
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(13'000'000 + stream);
    std::vector<int64_t> lengths;
    // 127 sequences and the end of the last one lie in the parameters of the kernel.
    const int64_t count = random.chance(0.03) ? 140 : random.integer(0, 5);
    for (int64_t i = 0; i < count; ++i) lengths.push_back(random.integer(0, count > 9 ? 2 : 30));
    const int64_t width = random.chance(0.5) ? random.integer(0, 60) : 8 * random.integer(1, 70);
    pool_and_compare(random, random.pick({DType::float32, DType::float16, DType::bfloat16}), lengths, width,
                     random.pick({Pooling::mean, Pooling::first, Pooling::last}), random.chance(0.5), 1,
                     random.chance(0.3) ? random.integer(1, 3) : 0);
  }
}

TEST_CASE("pool: sums and squares beyond float32") {
  Random random(15);
  for (const bool normalised : {false, true})
    pool_and_compare(random, DType::float32, {40, 3}, 70, Pooling::mean, normalised, 6e37);
}

TEST_CASE("pool: reads whole sectors of its rows, each once, and has no bank conflicts") {
  Random random(16);
  for (const DType type : types) {
    const Counts counts = pool_and_compare(random, type, {20, 12}, 512, Pooling::mean, false);
    const size_t rows = 32 * 512 * size_of(type);
    CHECK(counts.global_loads.bytes == rows);
    CHECK(counts.global_loads.wasted() == 0);
    CHECK(counts.global_stores.bytes == 2 * 512 * size_of(type));
    CHECK(counts.global_stores.wasted() == 0);
    CHECK(counts.bank_conflicts() == 0);
  }
}

}  // namespace heed::emulator
