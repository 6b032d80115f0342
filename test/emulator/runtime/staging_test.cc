// Tests copies of host arrays to a device and back: every size, many at once, and no bytes other than the
// intended ones.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include "runtime/support.h"
#include "support/random.h"

namespace heed::emulator {

namespace {

using cuda::DeviceBlock;
using cuda::StagedWork;
using cuda::Staging;

using Bytes = std::vector<uint8_t>;

Bytes random_bytes(test::Random& random, size_t count) {
  Bytes bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.integer(0, 255));
  return bytes;
}

// Copies to the device, and from there into poisoned memory.
void send_and_fetch(ThreadPool& pool, cuda::Device& device, std::vector<Bytes>& arrays) {
  std::vector<DeviceBlock> blocks;
  StagedWork there, back;
  there.device = back.device = std::shared_ptr<cuda::Device>(std::shared_ptr<void>(), &device);
  std::vector<Bytes> fetched;
  for (Bytes& array : arrays) {
    blocks.push_back(block_on(device, array.size()));
    fetched.emplace_back(array.size(), uint8_t{0xdb});
  }
  for (size_t i = 0; i < arrays.size(); ++i) {
    there.inputs.push_back(transfer(arrays[i], blocks[i]));
    back.outputs.push_back(transfer(fetched[i], blocks[i]));
  }
  run(pool, plan_staged(std::move(there)));
  run(pool, plan_staged(std::move(back)));
  CHECK(fetched == arrays);
}

}  // namespace

TEST_CASE("staging: waves hold every byte once, and pieces of one wave do not overlap in the window") {
  test::Random random(90);
  for (int repeat = 0; repeat < 500; ++repeat) {
    std::vector<cuda::Transfer> transfers;
    std::vector<std::pair<size_t, size_t>> expected;  // begin and end in host memory
    size_t next = 4096;
    for (int64_t count = random.integer(0, 6); count > 0; --count) {
      const auto bytes = static_cast<size_t>(random.integer(0, int64_t{1} << random.integer(0, 24)));
      transfers.push_back(
          {reinterpret_cast<std::byte*>(next), reinterpret_cast<std::byte*>(2 * next), bytes});
      next += bytes + 1;
    }
    const size_t window = cuda::staged_bytes(transfers) <= Staging::small ? Staging::small : Staging::large;
    const auto waves = cuda::waves_of(transfers, window);
    size_t transfer = 0, done = 0;
    for (size_t number = 0; number < waves.size(); ++number) {
      size_t end = waves.size() > 1 && number % 2 == 1 ? window / 2 : 0;
      for (const cuda::Piece& piece : waves[number]) {
        while (done == transfers[transfer].bytes) {
          ++transfer;
          done = 0;
        }
        CHECK(piece.part.host == transfers[transfer].host + done);
        CHECK(piece.part.device == transfers[transfer].device + done);
        CHECK(piece.part.bytes > 0);
        CHECK(piece.place >= end);
        end = piece.place + piece.part.bytes;
        done += piece.part.bytes;
        CHECK(done <= transfers[transfer].bytes);
      }
      CHECK(end <= (waves.size() > 1 && number % 2 == 0 ? window / 2 : window));
    }
    size_t all = 0, left = 0;
    for (const auto& wave : waves) {
      for (const auto& piece : wave) all += piece.part.bytes;
    }
    for (const auto& one : transfers) left += one.bytes;
    CHECK(all == left);
  }
}

TEST_CASE("staging: arrays of all sizes come back as they were") {
  EmulatedGpu gpu;
  const auto pool = std::make_shared<ThreadPool>();
  test::Random random(91);
  for (const size_t bytes :
       {0u, 1u, 255u, 256u, 65'536u, 65'537u, 524'288u, 4'194'304u, 4'194'305u, 14'000'001u}) {
    CAPTURE(bytes);
    std::vector<Bytes> arrays{random_bytes(random, bytes)};
    send_and_fetch(*pool, *gpu.device, arrays);
  }
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::vector<Bytes> arrays;
    for (int64_t count = random.integer(0, 6); count > 0; --count)
      arrays.push_back(
          random_bytes(random, static_cast<size_t>(random.integer(0, int64_t{1} << random.integer(0, 22)))));
    send_and_fetch(*pool, *gpu.device, arrays);
  }
}

TEST_CASE("staging: many operations at once share few windows, on one thread as on several") {
  test::Random random(92);
  for (const int threads : {1, 4}) {
    EmulatedGpu gpu;
    const auto pool = std::make_shared<ThreadPool>();
    pool->set_threads(threads);
    struct Job {
      Bytes from, to;
      DeviceBlock block;
      std::promise<void> end;
      std::shared_ptr<Operation> operation;
    };
    std::vector<std::unique_ptr<Job>> jobs;
    const auto submit = [&](Job& job, StagedWork work) {
      work.device = gpu.device;
      job.end = {};
      job.operation =
          std::make_shared<Operation>(plan_staged(std::move(work)), [&job] { job.end.set_value(); });
      pool->submit(job.operation);
    };
    for (int i = 0; i < 150; ++i) {
      auto job = std::make_unique<Job>();
      const auto bytes = static_cast<size_t>(random.integer(1, random.pick({100, 60'000, 300'000})));
      job->from = random_bytes(random, bytes);
      job->to.assign(bytes, 0xdb);
      job->block = block_on(*gpu.device, bytes);
      StagedWork work;
      work.inputs.push_back(transfer(job->from, job->block));
      submit(*job, std::move(work));
      jobs.push_back(std::move(job));
    }
    for (const auto& job : jobs) job->end.get_future().wait();
    for (const auto& job : jobs) {
      StagedWork work;
      work.outputs.push_back(transfer(job->to, job->block));
      submit(*job, std::move(work));
    }
    for (const auto& job : jobs) {
      job->end.get_future().wait();
      CHECK(!job->operation->error());
      CHECK(job->to == job->from);
    }
    for (const auto& job : jobs) job->operation.reset();
    jobs.clear();
  }
}

TEST_CASE("staging: operations that are cancelled give back what they have, whenever that is") {
  EmulatedGpu gpu;
  const auto pool = std::make_shared<ThreadPool>();
  test::Random random(93);
  for (int repeat = 0; repeat < 60; ++repeat) {
    Bytes from = random_bytes(random, static_cast<size_t>(random.integer(1, 12'000'000))),
          to(from.size(), 0xdb);
    StagedWork work;
    work.device = gpu.device;
    work.blocks.push_back(block_on(*gpu.device, from.size()));
    work.inputs.push_back(transfer(from, work.blocks[0]));
    work.outputs.push_back(transfer(to, work.blocks[0]));
    std::promise<void> end;
    const auto operation =
        std::make_shared<Operation>(plan_staged(std::move(work)), [&end] { end.set_value(); });
    pool->submit(operation);
    std::this_thread::sleep_for(std::chrono::microseconds(random.integer(0, 3000)));
    pool->cancel(operation);
    end.get_future().wait();
    CHECK(!operation->error());
  }
  CHECK(gpu.device->memory().statistics().used == 0);
  // All windows have been returned: runs more operations than there are windows, one after the other.
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::vector<Bytes> arrays{random_bytes(random, 100'000)};
    send_and_fetch(*pool, *gpu.device, arrays);
  }
}

TEST_CASE("staging: a window comes back while another one is pinned, which waits for the stream") {
  EmulatedGpu gpu;
  struct : Staging::Waiter {
    void granted(Staging::Window) noexcept override {}
  } waiter;
  Staging& staging = gpu.device->staging();
  const auto take = [&] { return gpu.device->use([&] { return staging.take(Staging::large, waiter); }); };
  const Staging::Window first = take();
  HeldStream held(gpu.device->stream());
  const uint64_t before = gpu.driver.calls("cudaHostAlloc");
  std::future<Staging::Window> taking = std::async(std::launch::async, take);
  while (gpu.driver.calls("cudaHostAlloc") == before) std::this_thread::yield();
  expect_no_deadlock("giving back a window", [&] { staging.give_back(first); });
  // A window that is there needs no pinning.
  expect_no_deadlock("taking a window", [&] { CHECK(take().data == first.data); });
  held.release();
  const Staging::Window second = taking.get();
  CHECK(second.data != nullptr);
  CHECK(second.data != first.data);
  for (const Staging::Window window : {first, second}) staging.give_back(window);
}

TEST_CASE("staging: a window is kept while copies are on their way, though no callback can be had") {
  EmulatedGpu gpu;
  const auto pool = std::make_shared<ThreadPool>();
  test::Random random(94);
  Bytes to(100'000);
  StagedWork work;
  work.device = gpu.device;
  work.blocks.push_back(block_on(*gpu.device, to.size()));
  work.outputs.push_back(transfer(to, work.blocks[0]));

  // Blocks the stream, so that the copies below wait behind other copies for a while.
  gpu.device->use([&] { gpu.driver.clear(work.blocks[0].data(), to.size(), gpu.device->stream()); });
  HeldStream held(gpu.device->stream());
  std::thread releasing([&held] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    held.release();
  });
  // Those of the operation and of its window.
  gpu.driver.fail_next("cudaEventRecord");
  gpu.driver.fail_next("cudaEventRecord");
  CHECK_THROWS_AS(run(*pool, plan_staged(std::move(work))), cuda::DeviceError);
  std::vector<Bytes> arrays{random_bytes(random, to.size())};
  send_and_fetch(*pool, *gpu.device, arrays);
  releasing.join();
}

}  // namespace heed::emulator
