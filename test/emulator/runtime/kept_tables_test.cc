// Tests tables that stay on the device: found by content, never mistaken for another one, bounded.
#include "cuda/runtime/kept_tables.h"

#include <doctest/doctest.h>

#include <thread>

#include "cuda/device/shared_memory_limits.h"
#include "cuda/runtime/device_workspace.h"
#include "runtime/support.h"
#include "support/random.h"

namespace heed::emulator {

namespace {

// What the device has as the table, copied elsewhere on the stream.
std::vector<float> read_kept(cuda::Device& device, const std::vector<float>& table) {
  const cuda::DeviceBlock result = block_on(device, table.size() * sizeof(float));
  device.use([&] {
    cuda::DeviceWorkspace workspace(device);
    const float* there = workspace.upload_kept(table);
    workspace.enqueue();
    device.driver().copy_on_device(result.data(), there, {result.bytes(), 1, result.bytes(), result.bytes()},
                                   device.stream());
  });
  device.use([&] { device.driver().synchronize(device.stream()); });
  std::vector<float> read(table.size());
  std::memcpy(read.data(), result.data(), table.size() * sizeof(float));
  return read;
}

// The reading itself copies on the device.
uint64_t uploads(EmulatedGpu& gpu) {
  return gpu.driver.calls("cudaMemcpyAsync");
}

std::vector<float> random_table(test::Random& random, int64_t count) {
  std::vector<float> table(static_cast<size_t>(count));
  for (float& number : table) number = static_cast<float>(random.normal());
  return table;
}

}  // namespace

TEST_CASE("kept tables: one that comes again is not copied again, and one that differs anywhere is") {
  EmulatedGpu gpu;
  test::Random random(101);
  for (int repeat = 0; repeat < 30; ++repeat) {
    std::vector<float> table = random_table(random, random.integer(1, 5000));
    CHECK(read_kept(*gpu.device, table) == table);
    const uint64_t copies = uploads(gpu);
    CHECK(read_kept(*gpu.device, table) == table);
    CHECK(uploads(gpu) == copies);
    table[static_cast<size_t>(random.integer(0, static_cast<int64_t>(table.size()) - 1))] += 1;
    CHECK(read_kept(*gpu.device, table) == table);
    CHECK(uploads(gpu) > copies);
    table.pop_back();
    if (!table.empty()) CHECK(read_kept(*gpu.device, table) == table);
  }
}

TEST_CASE("kept tables: they take 8 MiB at most, and those that were used last stay") {
  EmulatedGpu gpu;
  test::Random random(102);
  const std::vector<float> used = random_table(random, 1000);
  for (int repeat = 0; repeat < 14; ++repeat) {
    const std::vector<float> other = random_table(random, (1 << 18) - repeat);
    CHECK(read_kept(*gpu.device, other) == other);
    const uint64_t copies = uploads(gpu);
    CHECK(read_kept(*gpu.device, used) == used);
    if (repeat > 0) CHECK(uploads(gpu) == copies);
  }
  const std::vector<float> too_large = random_table(random, (1 << 18) + 1);
  CHECK(read_kept(*gpu.device, too_large) == too_large);
  // Their sizes are rounded up by an eighth at most; the pieces of TableMemory are cut to the largest tables.
  cuda::KeptTables& kept = gpu.device->kept_tables();
  int copied = 0;
  gpu.device->use([&] {
    CHECK(kept.find(too_large.data(), too_large.size() * 4, [&](std::byte*) { ++copied; }) == nullptr);
  });
  CHECK(copied == 0);
}

TEST_CASE("kept tables: memory of tables that went is reused, and theirs alone") {
  EmulatedGpu gpu;
  test::Random random(103);
  for (size_t i = 0; i < cuda::KeptTables::most_tables; ++i) {
    const std::vector<float> table = random_table(random, 8);
    gpu.device->use([&] { cuda::DeviceWorkspace(*gpu.device).upload_kept(table); });
  }
  const size_t used = gpu.device->memory().statistics().used;
  for (int i = 0; i < 200; ++i) {
    const std::vector<float> table = random_table(random, 8);
    gpu.device->use([&] { cuda::DeviceWorkspace(*gpu.device).upload_kept(table); });
  }
  // But for pieces of TableMemory, which hold 64 KiB each.
  CHECK(gpu.device->memory().statistics().used <= used + (128 << 10));
}

TEST_CASE("kept tables: a copy that fails keeps nothing") {
  EmulatedGpu gpu;
  test::Random random(104);
  const std::vector<float> table = random_table(random, 100);
  gpu.driver.fail_next("cudaMemcpyAsync");
  CHECK_THROWS_AS(read_kept(*gpu.device, table), cuda::DeviceError);
  CHECK(read_kept(*gpu.device, table) == table);
}

TEST_CASE("kept tables: several threads find and replace them at once") {
  EmulatedGpu gpu;
  test::Random random(105);
  std::vector<std::vector<float>> tables;
  for (int i = 0; i < 12; ++i) tables.push_back(random_table(random, 1 << 18));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (size_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 12; ++i) {
        const std::vector<float>& table = tables[(i * (t + 1)) % tables.size()];
        wrong += read_kept(*gpu.device, table) != table;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE(
    "shared memory limits: a kernel is allowed more once for each device, and what failed is tried again") {
  cuda::SharedMemoryLimits limits;
  int raised = 0;
  const int kernels[2] = {};
  const auto ensure = [&](int kernel, int device, size_t bytes) {
    limits.ensure(&kernels[kernel], device, bytes, [&] { ++raised; });
    return raised;
  };
  CHECK(ensure(0, 0, 50'000) == 1);
  CHECK(ensure(0, 0, 50'000) == 1);
  CHECK(ensure(0, 0, 49'000) == 1);
  CHECK(ensure(0, 0, 60'000) == 2);
  CHECK(ensure(0, 1, 50'000) == 3);
  CHECK(ensure(1, 0, 50'000) == 4);
  CHECK_THROWS_AS(limits.ensure(&kernels[1], 1, 50'000, [] { throw std::bad_alloc(); }), std::bad_alloc);
  CHECK(ensure(1, 1, 50'000) == 5);
  CHECK(ensure(1, 1, 50'000) == 5);
}

}  // namespace heed::emulator
