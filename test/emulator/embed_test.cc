// Tests embeddings on the emulator: sums of rows on a grid, which float32 holds exactly.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "cuda/launchers.h"
#include "machine/device_memory.h"
#include "support/drawn.h"
#include "support/half.h"
#include "support/random.h"
#include "support/random_heads.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;
using Use = DeviceMemory::Use;

// `offset`: elements from an aligned address to where tables and output begin.
Counts embed_and_compare(Random& random, DType type, int64_t rows, int64_t width, int64_t count,
                         int64_t offset) {
  Machine machine(schedule(random));
  const size_t bytes_before = static_cast<size_t>(offset) * size_of(type);
  std::vector<Buffer> tables;
  std::vector<std::unique_ptr<DeviceMemory>> memories;
  EmbeddingProblem problem;
  problem.width = width;
  problem.type = type;
  problem.scale = random.pick({1.0F, 2.0F, 0.5F});
  for (int64_t i = 0; i < count; ++i) {
    const int64_t length = random.integer(1, 9);
    Buffer& table = tables.emplace_back(test::random_grid(random, type, length * width));
    memories.push_back(std::make_unique<DeviceMemory>(machine, "table", Use::input, table.data(),
                                                      bytes_of(table), bytes_before));
    EmbeddingProblem::Table& made = problem.tables.emplace_back();
    made.data = memories.back()->data();
    for (int64_t row = 0; row < rows; ++row) made.ids.push_back(random.integer(0, length - 1));
  }
  Buffer output(type, rows * width);
  DeviceMemory to(machine, "output", Use::output, nullptr, bytes_of(output), bytes_before);
  problem.output = to.data();
  EmulatedWorkspace workspace(machine);
  cuda::embed(problem, workspace);
  to.read_back(output.data());
  int64_t wrong = 0;
  for (int64_t i = 0; i < output.size(); ++i) {
    double sum = 0;
    for (size_t t = 0; t < tables.size(); ++t) {
      const int64_t id = problem.tables[t].ids[static_cast<size_t>(i / width)];
      sum += tables[t][id * width + i % width] * (t == 0 ? double{problem.scale} : 1);
    }
    wrong += output[i] != test::rounded(type, sum);
  }
  CHECK(wrong == 0);
  return machine.counts_within("embed_kernel");
}

}  // namespace

TEST_CASE("embed: rows of any tables, of any width") {
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(12'000'000 + stream);
    const DType type = random.pick({DType::float32, DType::float16, DType::bfloat16});
    const int64_t width = random.chance(0.5) ? random.integer(0, 100) : 8 * random.integer(1, 90);
    // 128 tables lie in the parameters of the kernel.
    const int64_t count = random.chance(0.02) ? 130 : random.integer(1, 3);
    embed_and_compare(random, type, random.integer(0, 20), width, count,
                      random.chance(0.3) ? random.integer(1, 3) : 0);
  }
}

TEST_CASE("embed: reads and writes whole sectors, each once") {
  Random random(14);
  for (const DType type : types) {
    const Counts counts = embed_and_compare(random, type, 6, 512, 2, 0);
    const size_t elements = 6 * 512 * size_of(type);
    CHECK(counts.global_stores.bytes == elements);
    CHECK(counts.global_stores.wasted() == 0);
    // All lanes of a warp read one id for each table: 4 · 512 bytes take that many warps.
    const size_t ids = 2 * elements / 512;
    CHECK(counts.global_loads.bytes == 2 * elements + ids * sizeof(int64_t));
    CHECK(counts.global_loads.transactions == 2 * elements / 32 + ids);
  }
}

}  // namespace heed::emulator
