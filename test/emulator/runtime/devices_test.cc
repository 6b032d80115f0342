// Tests several devices at once, each with its own stream.
#include <doctest/doctest.h>

#include <thread>

#include "cuda/launchers.h"
#include "cuda/runtime/device_workspace.h"
#include "runtime/support.h"
#include "support/random.h"

namespace heed::emulator {

namespace {

// Casts there and back again, from a separate thread.
void work_on(ThreadPool& pool, const std::shared_ptr<cuda::Device>& device, uint64_t stream) {
  test::Random random(96'000 + stream);
  for (int repeat = 0; repeat < 30; ++repeat) {
    const auto count = random.integer(1, 20'000);
    std::vector<uint8_t> from(static_cast<size_t>(count) * 2), to(from.size(), 0xff);
    for (uint8_t& byte : from) byte = static_cast<uint8_t>(random.integer(0, 0x3f));
    cuda::StagedWork work;
    work.device = device;
    for (int i = 0; i < 2; ++i) work.blocks.push_back(block_on(*device, from.size()));
    work.inputs.push_back(transfer(from, work.blocks[0]));
    work.outputs.push_back(transfer(to, work.blocks[1]));
    work.launch = [count, in = work.inputs[0].device,
                   out = work.outputs[0].device](cuda::Workspace& workspace) {
      auto* wide = workspace.allocate_array<float>(static_cast<size_t>(count));
      cuda::cast({in, DType::float16, wide, DType::float32, count}, workspace);
      cuda::cast({wide, DType::float32, out, DType::float16, count}, workspace);
    };
    run(pool, plan_staged(std::move(work)));
    CHECK(to == from);
  }
}

}  // namespace

TEST_CASE("devices: two of them work at once, for two threads each") {
  EmulatedDriver driver;
  const auto pool = std::make_shared<ThreadPool>();
  const std::shared_ptr<cuda::Device> devices[] = {std::make_shared<cuda::Device>(driver, 0),
                                                   std::make_shared<cuda::Device>(driver, 1)};
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) threads.emplace_back([&, i] { work_on(*pool, devices[i % 2], i); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& device : devices) CHECK(device->memory().statistics().used < 1 << 20);
}

TEST_CASE("devices: one that is lost leaves the other alone") {
  EmulatedDriver driver;
  const auto pool = std::make_shared<ThreadPool>();
  const auto first = std::make_shared<cuda::Device>(driver, 0),
             second = std::make_shared<cuda::Device>(driver, 1);
  const cuda::DeviceBlock block = block_on(*first, 16);
  first->use([&] {
    cuda::DeviceWorkspace workspace(*first);
    cuda::cast({block.data(), DType::float32, block.data() + (1 << 20), DType::float32, 4}, workspace);
    workspace.enqueue();
  });
  CHECK_THROWS_AS(first->use([&] { driver.synchronize(first->stream()); }), cuda::DeviceLost);
  work_on(*pool, second, 9);
}

}  // namespace heed::emulator
