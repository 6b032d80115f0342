// Tests the tables of operations: where they are placed, that they are uploaded together, and that none is
// overwritten too early.
#include "cuda/runtime/table_memory.h"

#include <doctest/doctest.h>

#include "cuda/launchers.h"
#include "cuda/runtime/device_workspace.h"
#include "runtime/support.h"
#include "support/random.h"

namespace heed::emulator {

TEST_CASE("tables: each operation finds its own, while many are under way") {
  EmulatedGpu gpu;
  cuda::Device& device = *gpu.device;
  test::Random random(95);
  constexpr int operations = 400;
  std::vector<std::vector<float>> tables;
  std::vector<cuda::DeviceBlock> results;
  for (int i = 0; i < operations; ++i) {
    // Sometimes more than a whole piece holds.
    const auto count = static_cast<size_t>(random.chance(0.05) ? 20'000 : random.integer(1, 300));
    std::vector<float> table(count);
    for (float& number : table) number = static_cast<float>(random.normal());
    results.push_back(block_on(device, count * sizeof(float)));
    device.use([&] {
      cuda::DeviceWorkspace workspace(device);
      workspace.upload(std::vector<int>{1, 2, 3});
      const float* there = workspace.upload(table);
      CHECK(reinterpret_cast<uintptr_t>(there) % 256 == 0);
      cuda::cast({there, DType::float32, results.back().data(), DType::float32, static_cast<int64_t>(count)},
                 workspace);
      workspace.enqueue();
    });
    tables.push_back(std::move(table));
  }
  device.use([&] { gpu.driver.synchronize(device.stream()); });
  for (size_t i = 0; i < tables.size(); ++i) {
    CHECK(std::memcmp(results[i].data(), tables[i].data(), tables[i].size() * sizeof(float)) == 0);
  }
  CHECK(device.memory().statistics().used < size_t{8} << 20);
}

}  // namespace heed::emulator
