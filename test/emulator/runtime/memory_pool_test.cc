// Tests the pool of a device's memory: reuse, statistics, and exhaustion.
#include "cuda/runtime/memory_pool.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "runtime/support.h"
#include "support/random.h"

namespace heed::emulator {

namespace {

using cuda::DeviceBlock;
using cuda::MemoryPool;

// Allocates within Device::use, like all other code.
void* allocate(cuda::Device& device, size_t bytes) {
  return device.use([&] { return device.memory().allocate(bytes); });
}

}  // namespace

TEST_CASE("memory pool: sizes waste at most an eighth, and are as aligned as memory is") {
  test::Random random(80);
  for (int i = 0; i < 10'000; ++i) {
    const auto bytes = static_cast<size_t>(random.integer(1, int64_t{1} << random.integer(1, 40)));
    const size_t rounded = MemoryPool::rounded(bytes);
    CHECK(rounded >= bytes);
    CHECK(rounded % 256 == 0);
    CHECK((bytes < 4096 ? rounded <= bytes + 512 : rounded - bytes <= bytes / 8 + 1));
    CHECK(MemoryPool::rounded(rounded) == rounded);
  }
}

TEST_CASE("memory pool: what was given back last is taken first, and nothing is handed out twice") {
  EmulatedGpu gpu;
  cuda::Device& device = *gpu.device;
  void* first = allocate(device, 10'000);
  void* second = allocate(device, 10'100);
  CHECK(first != second);
  device.memory().free(first, 10'000);
  device.memory().free(second, 10'100);
  const size_t from_driver = gpu.driver.allocations();
  CHECK(allocate(device, 10'050) == second);
  CHECK(allocate(device, 10'050) == first);
  CHECK(gpu.driver.allocations() == from_driver);

  test::Random random(81);
  std::map<std::byte*, size_t> taken;
  size_t used = device.memory().statistics().used, peak = device.memory().statistics().peak;
  for (int i = 0; i < 2000; ++i) {
    if (!taken.empty() && random.chance(0.5)) {
      const auto at = std::next(taken.begin(), random.integer(0, static_cast<int64_t>(taken.size()) - 1));
      device.memory().free(at->first, at->second);
      used -= MemoryPool::rounded(at->second);
      taken.erase(at);
    } else {
      const auto bytes = static_cast<size_t>(random.integer(0, 5000));
      auto* memory = static_cast<std::byte*>(allocate(device, bytes));
      CHECK(reinterpret_cast<uintptr_t>(memory) % 256 == 0);
      const auto after = taken.upper_bound(memory);
      CHECK((after == taken.end() || memory + bytes <= after->first));
      CHECK((after == taken.begin() || std::prev(after)->first + std::prev(after)->second <= memory));
      CHECK(taken.emplace(memory, bytes).second);
      used += MemoryPool::rounded(bytes);
      peak = std::max(peak, used);
    }
    CHECK(device.memory().statistics().used == used);
    CHECK(device.memory().statistics().peak == peak);
  }
  for (const auto& [memory, bytes] : taken) device.memory().free(memory, bytes);
}

TEST_CASE("memory pool: a limit counts what is kept, and gives it back before it refuses") {
  EmulatedGpu gpu;
  cuda::Device& device = *gpu.device;
  device.memory().set_limit(1 << 20);
  void* small = allocate(device, 1 << 18);
  device.memory().free(allocate(device, 1 << 19), 1 << 19);
  CHECK(device.memory().statistics().cached == 1 << 19);
  // Fits only after cached memory is freed.
  void* large = allocate(device, 3 << 18);
  CHECK(device.memory().statistics().cached == 0);
  CHECK(device.memory().statistics().used == 1 << 20);
  CHECK_THROWS_WITH_AS(allocate(device, 1), doctest::Contains("the limit is 1048576 bytes"),
                       cuda::OutOfDeviceMemory);
  device.memory().free(large, 3 << 18);
  device.memory().free(small, 1 << 18);
  device.memory().free(allocate(device, 1), 1);
  device.memory().trim();
  CHECK(device.memory().statistics().used + device.memory().statistics().cached == 0);
}

TEST_CASE("memory pool: when the driver has no more, what is kept goes back to it, and all works on") {
  DriverOptions options;
  options.memory = 1 << 20;
  EmulatedGpu gpu(options);
  cuda::Device& device = *gpu.device;
  device.memory().free(allocate(device, 600 << 10), 600 << 10);
  void* large = allocate(device, 700 << 10);
  CHECK(gpu.driver.allocated() == MemoryPool::rounded(700 << 10));
  CHECK_THROWS_WITH_AS(allocate(device, 800 << 10),
                       doctest::Contains("cudaMalloc failed: cudaErrorMemoryAllocation, out of memory"),
                       std::bad_alloc);
  CHECK(device.memory().statistics().used == MemoryPool::rounded(700 << 10));
  device.memory().free(large, 700 << 10);
  device.memory().free(allocate(device, 800 << 10), 800 << 10);
}

TEST_CASE("memory pool: all memory is the driver's again when the device goes") {
  EmulatedDriver driver;
  {
    const auto device = std::make_shared<cuda::Device>(driver, 0);
    std::vector<DeviceBlock> blocks;
    for (size_t bytes = 1; bytes < 1 << 20; bytes *= 3) blocks.push_back(block_on(*device, bytes));
    blocks.clear();
    CHECK(driver.allocated() > 0);
  }
  CHECK(driver.allocations() == 0);
}

}  // namespace heed::emulator
