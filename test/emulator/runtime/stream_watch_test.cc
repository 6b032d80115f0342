// Tests what is called when the stream has come to a point: once, in order, no sooner, whatever happens to
// the device; and that the thread behind it asks for nothing and is not there when it need not be.
#include "cuda/runtime/stream_watch.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/support.h"
#include "support/random.h"

namespace heed::emulator {

namespace {

// What was called, with which failures.
struct Calls {
  std::mutex mutex;
  std::vector<int> numbers;
  std::vector<std::string> failures;

  void add(int number, const char* failure) {
    const std::lock_guard lock(mutex);
    numbers.push_back(number);
    if (failure != nullptr) failures.emplace_back(failure);
  }
  size_t count() {
    const std::lock_guard lock(mutex);
    return numbers.size();
  }
};

void call_back(cuda::Device& device, Calls& calls, int number) {
  device.use(
      [&] { device.call_back([&calls, number](const char* failure) { calls.add(number, failure); }); });
}

void wait_for(Calls& calls, size_t count) {
  expect_no_deadlock("waiting for what is to be called", [&] {
    while (calls.count() < count) std::this_thread::sleep_for(std::chrono::microseconds(100));
  });
}

size_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

}  // namespace

TEST_CASE("stream watch: each function is called once, in the order of the stream, and no sooner") {
  EmulatedGpu gpu;
  Calls calls;
  test::Random random(99);
  const cuda::DeviceBlock block = block_on(*gpu.device, 1000);
  std::vector<int> expected;
  for (int round = 0; round < 30; ++round) {
    HeldStream held(gpu.device->stream());
    const size_t before = expected.size();
    for (int64_t count = random.integer(1, 40); count > 0; --count) {
      if (random.chance(0.3))
        gpu.device->use([&] { gpu.driver.clear(block.data(), 1000, gpu.device->stream()); });
      expected.push_back(static_cast<int>(expected.size()));
      call_back(*gpu.device, calls, expected.back());
    }
    // Long enough that the watch asks several times.
    if (round < 3) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(calls.count() == before);
    held.release();
    if (random.chance(0.5)) wait_for(calls, expected.size());
    wait_for(calls, expected.size());
  }
  CHECK(calls.numbers == expected);
  CHECK(calls.failures.empty());
}

TEST_CASE("stream watch: several threads record at once") {
  EmulatedGpu gpu;
  Calls calls;
  std::vector<std::thread> threads;
  constexpr int each = 200;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < each; ++n) call_back(*gpu.device, calls, i * each + n);
    });
  }
  for (std::thread& thread : threads) thread.join();
  wait_for(calls, 4 * each);
  std::vector<int> next{0, each, 2 * each, 3 * each};
  for (const int number : calls.numbers) CHECK(number == next[static_cast<size_t>(number / each)]++);
}

TEST_CASE("stream watch: nothing is asked while nothing is awaited") {
  EmulatedGpu gpu;
  Calls calls;
  call_back(*gpu.device, calls, 0);
  wait_for(calls, 1);
  const uint64_t asked = gpu.driver.calls("cudaEventQuery");
  CHECK(asked > 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(gpu.driver.calls("cudaEventQuery") == asked);
  // Events are used again.
  const uint64_t made = gpu.driver.calls("cudaEventCreateWithFlags");
  for (size_t i = 1; i < 20; ++i) {
    call_back(*gpu.device, calls, 0);
    wait_for(calls, i + 1);
  }
  CHECK(gpu.driver.calls("cudaEventCreateWithFlags") == made);
}

TEST_CASE("stream watch: while the device computes for long, it is asked a thousand times a second at most") {
  EmulatedGpu gpu;
  Calls calls;
  HeldStream held(gpu.device->stream());
  const auto start = std::chrono::steady_clock::now();
  call_back(*gpu.device, calls, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const uint64_t asked = gpu.driver.calls("cudaEventQuery");
  const std::chrono::duration<double, std::milli> waited = std::chrono::steady_clock::now() - start;
  // Intervals grow by an eighth, from 20 µs to 1 ms: fewer than 60 before there is one each millisecond.
  CHECK(static_cast<double>(asked) < 60 + waited.count());
  held.release();
  wait_for(calls, 1);
}

TEST_CASE("stream watch: when the device goes, what is left is called, and no thread stays") {
  const size_t before = threads_of_this_process();
  for (int repeat = 0; repeat < 20; ++repeat) {
    EmulatedGpu gpu;
    Calls calls;
    for (int i = 0; i < repeat; ++i) call_back(*gpu.device, calls, i);
    gpu.device.reset();
    CHECK(calls.count() == static_cast<size_t>(repeat));
    CHECK(calls.failures.empty());
    CHECK(gpu.driver.allocations() == 0);
  }
  CHECK(threads_of_this_process() == before);
}

TEST_CASE("stream watch: when the device is lost, all that wait are told why") {
  for (const bool destroyed : {false, true}) {
    EmulatedGpu gpu;
    Calls calls;
    HeldStream held(gpu.device->stream());
    call_back(*gpu.device, calls, 0);
    static_cast<EmulatedStream&>(LaunchQueue::of(gpu.device->stream())).enqueue([](Machine&) {
      throw std::runtime_error("lost on purpose");
    });
    for (int i = 1; i < 5; ++i) call_back(*gpu.device, calls, i);
    held.release();
    if (destroyed) {
      gpu.device.reset();
    } else {
      wait_for(calls, 5);
      CHECK_THROWS_AS(call_back(*gpu.device, calls, 5), cuda::DeviceLost);
    }
    CHECK(calls.numbers == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(calls.failures.size() >= 4);
    for (const std::string& failure : calls.failures)
      CHECK(failure.find("lost on purpose") != std::string::npos);
  }
}

TEST_CASE("stream watch: what could not be recorded is not called, and the next is") {
  EmulatedGpu gpu;
  Calls calls;
  for (const char* call : {"cudaEventCreateWithFlags", "cudaEventRecord"}) {
    gpu.driver.fail_next(call);
    CHECK_THROWS_AS(call_back(*gpu.device, calls, 0), cuda::DeviceError);
  }
  call_back(*gpu.device, calls, 1);
  wait_for(calls, 1);
  CHECK(calls.numbers == std::vector<int>{1});
}

}  // namespace heed::emulator
