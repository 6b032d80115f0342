// The CUDA driver for the host side without a GPU: streams that run on the emulator, with errors on demand.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cuda/runtime/compatibility.h"
#include "cuda/runtime/driver.h"
#include "driver/emulated_stream.h"

namespace heed::emulator {

struct DriverOptions {
  uint64_t seed = 1;                    // for schedules
  int devices = 2;                      // with compute capabilities 8.0, 9.0, 8.0, …
  size_t memory = size_t{4} << 30;      // bytes on each device
  uint64_t most_launches = UINT64_MAX;  // the next one loses its device
  std::string reason;                   // why there are no devices, if so
  cuda::Built built = {13000, 13000, "80-real,90-real"};
  bool allocations_wait = true;  // for all streams, as a driver may
};

class EmulatedDriver final : public cuda::Driver {
 public:
  explicit EmulatedDriver(DriverOptions options = {});
  ~EmulatedDriver() override;

  // Makes the next call of this name fail, for example "cudaMemcpyAsync". Allocating calls fail with out of
  // memory.
  void fail_next(const std::string& call);
  // Ends the streams; pending work does not run.
  void stop();
  // How often this call was made.
  uint64_t calls(const std::string& call) const;
  // How many calls there were that a GPU's driver has, launches included, each of which it takes by itself;
  // but for cudaSetDevice, which only notes the device.
  uint64_t calls() const;
  // How many graphs there are.
  size_t graphs() const { return graphs_; }
  size_t allocated() const;
  size_t allocations() const;

  bool emulated() const override { return true; }
  const cuda::Availability& availability() override { return availability_; }
  void use(int device) override;
  cuda::Stream make_stream() override;
  void destroy_stream(cuda::Stream stream) noexcept override;
  void synchronize(cuda::Stream stream) override;
  bool is_lost(cuda::Stream stream) noexcept override;
  void* allocate(size_t bytes) override;
  void free(void* memory) noexcept override;
  void* allocate_pinned(size_t bytes) override;
  void free_pinned(void* memory) noexcept override;
  MemoryInfo memory_info() override;
  void begin_use(void* memory, size_t bytes, cuda::Stream stream) override;
  void copy_to_device(void* to, const void* pinned, size_t bytes, cuda::Stream stream) override;
  void copy_from_device(void* pinned, const void* from, size_t bytes, cuda::Stream stream) override;
  void copy_on_device(void* to, const void* from, const Rows& rows, cuda::Stream stream) override;
  void copy_between_devices(void* to, int to_device, const void* from, int from_device, size_t bytes,
                            cuda::Stream stream) override;
  void clear(void* memory, size_t bytes, cuda::Stream stream) override;
  cuda::Event* make_event() override;
  void destroy_event(cuda::Event* event) noexcept override;
  void record(cuda::Event* event, cuda::Stream stream) override;
  bool passed(cuda::Event* event) override;
  void wait(cuda::Stream stream, cuda::Event* event) override;
  cuda::Graph* make_graph(std::span<const cuda::KernelLaunch> launches) override;
  void destroy_graph(cuda::Graph* graph) noexcept override;
  void change(cuda::Graph* graph, size_t place, const cuda::KernelLaunch& launch) override;
  void launch(cuda::Graph* graph, cuda::Stream stream) override;

 private:
  struct Memory {
    size_t bytes;
    int device;  // −1: pinned host memory
  };
  // Throws if the call should fail or the stream's device is lost.
  void begin(const char* call, cuda::Stream stream = nullptr);
  void* allocate(const char* call, size_t bytes, int device);
  std::vector<std::shared_ptr<EmulatedStream>> streams() const;
  // Allocating and freeing wait for all work of the device, as they may on a GPU.
  void wait_for_streams() const;
  void expect_inside(const char* call, const void* begin, size_t bytes, bool pinned);
  void expect_rows_inside(const char* call, const void* begin, const Rows& rows, size_t pitch);

  const DriverOptions options_;
  cuda::Availability availability_;
  mutable std::mutex mutex_;
  std::map<uintptr_t, Memory> memory_;
  // Shared with whoever waits for a stream while another thread destroys it.
  std::map<EmulatedStream*, std::shared_ptr<EmulatedStream>> streams_;
  std::map<std::string, uint64_t> calls_;
  std::multiset<std::string> failing_;
  std::atomic<size_t> graphs_{0};
  std::atomic<uint64_t> launches_of_graphs_{0};
};

}  // namespace heed::emulator
