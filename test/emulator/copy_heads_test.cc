// Tests copies of heads on the emulator.
#include <doctest/doctest.h>

#include <memory>

#include "cuda/launchers.h"
#include "machine/device_memory.h"
#include "support/random_heads.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using Use = DeviceMemory::Use;

size_t bytes_of(const Buffer& buffer) {
  return static_cast<size_t>(buffer.size()) * size_of(buffer.type());
}

struct Copied {
  Counts counts;
  int64_t wrong;
};

Copied copy(test::RandomHeads& heads, test::Random& random) {
  Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
  const auto input = [&](Buffer& buffer) {
    return std::make_unique<DeviceMemory>(machine, "input", Use::input, buffer.data(), bytes_of(buffer));
  };
  const auto from = input(heads.from), bias = input(heads.bias), cos = input(heads.cos),
             sin = input(heads.sin);
  DeviceMemory to(machine, "to", Use::output, nullptr, bytes_of(heads.to));
  HeadsProblem problem = heads.problem;
  problem.from.data = from->data();
  problem.to.data = to.data();
  if (problem.bias != nullptr) problem.bias = bias->data();
  problem.cos = cos->data();
  problem.sin = sin->data();
  EmulatedWorkspace workspace(machine);
  cuda::copy_heads(problem, workspace);
  Buffer result(problem.to.type, heads.to.size());
  to.read_back(result.data());
  return {machine.counts_within("copy_heads_kernel"), heads.wrong(result)};
}

}  // namespace

TEST_CASE("copy_heads: with a bias and rotated, between any orders of axes") {
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    test::Random random(9'000'000 + stream);
    test::RandomHeads heads(random);
    CHECK(copy(heads, random).wrong == 0);
  }
}

// Neighbouring pairs take two requests of every other element each.
TEST_CASE("copy_heads: moves whole sectors, each once") {
  test::Random random(9);
  for (const DType type : {DType::float32, DType::float16, DType::bfloat16}) {
    for (const int64_t pairs : {0, 64}) {
      HeadsProblem shape;
      shape.from.type = type;
      shape.batch = 2;
      shape.heads = 3;
      shape.steps = 5;
      shape.width = 128;
      shape.pairs = pairs;
      test::RandomHeads heads(random, shape);
      const auto [counts, wrong] = copy(heads, random);
      CHECK(wrong == 0);
      const size_t elements = 2 * 3 * 5 * 128 * size_of(type);
      CHECK(counts.global_loads.bytes == (pairs == 0 ? 2 : 3) * elements);
      CHECK(counts.global_loads.wasted() == 0);
      CHECK(counts.global_stores.bytes == elements);
      CHECK(counts.global_stores.wasted() == 0);
    }
  }
}

}  // namespace heed::emulator
