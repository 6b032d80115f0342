// The host side on emulated GPUs: runs plans for tests and reads device memory.
#pragma once

#include <cstring>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "core/thread_pool.h"
#include "cuda/runtime/device.h"
#include "cuda/runtime/staged_operation.h"
#include "driver/emulated_driver.h"

namespace heed::emulator {

// A separate GPU for each test.
struct EmulatedGpu {
  explicit EmulatedGpu(DriverOptions options = {})
      : driver(std::move(options)), device(std::make_shared<cuda::Device>(driver, 0)) {}

  EmulatedDriver driver;
  std::shared_ptr<cuda::Device> device;
};

// Runs a plan on the pool and on this thread. Rethrows the exception of a task.
inline void run(ThreadPool& pool, Plan plan) {
  const auto operation = std::make_shared<Operation>(std::move(plan));
  Scratch scratch;
  pool.run(operation, scratch);
  if (operation->error()) std::rethrow_exception(operation->error());
}

// Host bytes to copy to or from the device.
inline cuda::Transfer transfer(std::vector<uint8_t>& host, const cuda::DeviceBlock& block) {
  return {reinterpret_cast<std::byte*>(host.data()), block.data(), host.size()};
}

inline cuda::DeviceBlock block_on(cuda::Device& device, size_t bytes) {
  return device.use([&] { return cuda::DeviceBlock(device.memory(), bytes); });
}

}  // namespace heed::emulator
