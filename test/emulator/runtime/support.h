// The host side on emulated GPUs: runs plans for tests and reads device memory.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <future>
#include <memory>
#include <thread>
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

// Keeps a stream from going on until it is released or this object ends.
class HeldStream {
 public:
  explicit HeldStream(cuda::Stream stream) {
    static_cast<EmulatedStream&>(LaunchQueue::of(stream))
        .enqueue([until = release_.get_future().share()](Machine&) { until.wait(); });
  }
  ~HeldStream() { release(); }
  HeldStream(const HeldStream&) = delete;
  HeldStream& operator=(const HeldStream&) = delete;
  void release() {
    if (!std::exchange(released_, true)) release_.set_value();
  }

 private:
  std::promise<void> release_;
  bool released_ = false;
};

// Runs f on another thread. If it has not ended after 20 s, this is a deadlock, and the process ends: nothing
// can end its threads.
template <class F>
void expect_no_deadlock(const char* what, F f) {
  std::packaged_task<void()> task(std::move(f));
  std::future<void> end = task.get_future();
  std::thread thread(std::move(task));
  if (end.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
    std::fprintf(stderr, "deadlock: %s did not end within 20 s\n", what);
    std::abort();
  }
  thread.join();
  end.get();
}

// Host bytes to copy to or from the device.
inline cuda::Transfer transfer(std::vector<uint8_t>& host, const cuda::DeviceBlock& block) {
  return {reinterpret_cast<std::byte*>(host.data()), block.data(), host.size()};
}

inline cuda::DeviceBlock block_on(cuda::Device& device, size_t bytes) {
  return device.use([&] { return cuda::DeviceBlock(device.memory(), bytes); });
}

}  // namespace heed::emulator
