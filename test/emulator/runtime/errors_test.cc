// Tests that every failure reports the call and the error, that the loss of a device is explained once, and
// that nothing waits forever.
#include <doctest/doctest.h>

#include <string>

#include "cuda/launchers.h"
#include "cuda/runtime/device_workspace.h"
#include "runtime/support.h"

namespace heed::emulator {

namespace {

using cuda::DeviceBlock;
using cuda::StagedWork;

// Exercises all driver calls of an operation: copies 5 MB there and back, and runs a kernel.
void solve(ThreadPool& pool, const std::shared_ptr<cuda::Device>& device) {
  std::vector<uint8_t> from(5'000'000, 1), to(1000);
  StagedWork work;
  work.device = device;
  work.blocks.push_back(block_on(*device, from.size()));
  work.blocks.push_back(block_on(*device, to.size()));
  const cuda::Transfer in = transfer(from, work.blocks[0]), out = transfer(to, work.blocks[1]);
  work.inputs = {in};
  work.outputs = {out};
  work.launch = [in, out](cuda::Workspace& workspace) {
    const std::vector<int> table{1, 2, 3};
    workspace.upload(table);
    cuda::cast({in.device, DType::float16, out.device, DType::float16, 500}, workspace);
  };
  run(pool, plan_staged(std::move(work)));
  for (const uint8_t byte : to) CHECK(byte == 1);
}

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("errors: a call that fails is named, with its error, and the next operation works") {
  const auto pool = std::make_shared<ThreadPool>();
  for (const std::string call : {"cudaMalloc", "cudaHostAlloc", "cudaMemcpyAsync", "cudaEventRecord",
                                 "cudaEventCreateWithFlags", "cudaSetDevice"}) {
    CAPTURE(call);
    EmulatedGpu gpu;
    gpu.driver.fail_next(call);
    const bool memory = call == "cudaMalloc" || call == "cudaHostAlloc";
    const std::string error = memory ? "cudaErrorMemoryAllocation" : "cudaErrorUnknown";
    // The pool tries again after it runs out of memory.
    if (call == "cudaMalloc") gpu.driver.fail_next(call);
    CHECK(message_of([&] { solve(*pool, gpu.device); }).find(call + " failed: " + error) !=
          std::string::npos);
    solve(*pool, gpu.device);
    CHECK(gpu.device->memory().statistics().used <= 64 << 10);  // tables
  }
}

TEST_CASE(
    "errors: a device that is lost says so once in full, then shortly, and everything that waits ends") {
  const auto pool = std::make_shared<ThreadPool>();
  DriverOptions options;
  options.most_launches = 1;
  EmulatedGpu gpu(options);
  solve(*pool, gpu.device);
  const std::string first = message_of([&] { solve(*pool, gpu.device); });
  CHECK(first.find("cuda:0 was lost, and nothing works on it until the process is started again") == 0);
  CHECK(first.find("the launch that was to lose the device") != std::string::npos);
  for (int i = 0; i < 3; ++i) {
    CHECK(message_of([&] { solve(*pool, gpu.device); }).find("cuda:0 was lost before: ") == 0);
  }
  CHECK_THROWS_AS(block_on(*gpu.device, 1), cuda::DeviceLost);
}

TEST_CASE("errors: a kernel that goes out of bounds loses the device, and is reported by its line") {
  const auto pool = std::make_shared<ThreadPool>();
  EmulatedGpu gpu;
  const DeviceBlock from = block_on(*gpu.device, 1000), to = block_on(*gpu.device, 2000);
  std::string report;
  gpu.device->use([&] {
    gpu.driver.clear(from.data(), from.bytes(), gpu.device->stream());
    cuda::DeviceWorkspace workspace(*gpu.device);
    // 8 bytes more than the buffer has, although the pool has rounded it up to more.
    cuda::cast({from.data(), DType::float32, to.data(), DType::float32, 252}, workspace);
    workspace.enqueue();
  });
  report = message_of([&] { gpu.device->use([&] { gpu.driver.synchronize(gpu.device->stream()); }); });
  CHECK(report.find("out of bounds") != std::string::npos);
  CHECK(report.find("native/cuda/cast.cu") != std::string::npos);
}

TEST_CASE("errors: memory that was given back is nobody's, and what is taken again is unwritten") {
  EmulatedGpu gpu;
  const auto cast_of = [&](void* from, void* to) {
    gpu.device->use([&] {
      cuda::DeviceWorkspace workspace(*gpu.device);
      cuda::cast({from, DType::float32, to, DType::float32, 100}, workspace);
      workspace.enqueue();
    });
    return message_of([&] { gpu.device->use([&] { gpu.driver.synchronize(gpu.device->stream()); }); });
  };
  const DeviceBlock to = block_on(*gpu.device, 400);
  void* again;
  {
    const DeviceBlock written = block_on(*gpu.device, 400);
    gpu.device->use([&] { gpu.driver.clear(written.data(), 400, gpu.device->stream()); });
    CHECK(cast_of(written.data(), to.data()).empty());
    again = written.data();
  }
  const DeviceBlock taken = block_on(*gpu.device, 400);
  CHECK(taken.data() == again);
  CHECK(cast_of(taken.data(), to.data()).find("read of unwritten memory") != std::string::npos);

  EmulatedGpu other;
  void* gone;
  { gone = block_on(*other.device, 400).data(); }
  const DeviceBlock target = block_on(*other.device, 4000);
  other.device->use([&] {
    cuda::DeviceWorkspace workspace(*other.device);
    cuda::cast({gone, DType::float32, target.data(), DType::float32, 100}, workspace);
    workspace.enqueue();
  });
  const std::string report =
      message_of([&] { other.device->use([&] { other.driver.synchronize(other.device->stream()); }); });
  CHECK(report.find("out of bounds") != std::string::npos);
}

TEST_CASE("errors: without a driver there is a reason, and no device") {
  DriverOptions options;
  options.reason = "cudaGetDeviceCount failed: cudaErrorNoDevice";
  EmulatedDriver driver(options);
  CHECK(driver.availability().devices.empty());
  CHECK(driver.availability().reason == options.reason);
}

}  // namespace heed::emulator
