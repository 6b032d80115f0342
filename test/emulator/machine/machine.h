// An emulated GPU. While a Machine exists, kernels launched on this host thread run on it.
#pragma once

#if defined(HEED_ON_GPU)
#include "on_gpu/device/machine.h"
#else

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "cuda/device/emulator.h"
#include "machine/counts.h"
#include "machine/fault.h"
#include "machine/global_memory.h"
#include "machine/random.h"
#include "machine/sites.h"

namespace heed::emulator {

// The maximum shared memory per block in bytes, by compute capability: 80, 86, 89, 90.
size_t most_shared_bytes(uint32_t architecture);

class Machine {
 public:
  // The same seed runs the threads in the same order.
  explicit Machine(uint64_t schedule_seed, uint32_t architecture = 80);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Registers host memory that kernels may use, exact to the byte: inputs, which no kernel may write;
  // outputs, which no kernel may read before writing them; and memory that is both.
  void input(const void* data, size_t bytes, std::string name) {
    memory.add(data, bytes, std::move(name), true, true);
  }
  void output(void* data, size_t bytes, std::string name) {
    memory.add(data, bytes, std::move(name), false, false);
  }
  void in_out(void* data, size_t bytes, std::string name) {
    memory.add(data, bytes, std::move(name), false, true);
  }
  void remove(const void* data) { memory.remove(data); }

  // Whether requests for memory are counted, which takes a fifth of the time of a kernel. False before the
  // first launch where nobody asks for them.
  bool counting = true;
  // Counts of everything since the start.
  Counts counts() const { return site_counts.total(); }
  // Counts of the lines of one function of a kernel and of everything that it calls.
  Counts counts_within(std::string_view function) const { return site_counts.within(sites, function); }
  std::string count_table() const { return site_counts.table(sites); }

  // Throws the errors that a launch reports immediately.
  static void expect_launchable(const cuda::emulator::Shape& shape, uint32_t architecture);
  // Throws a Fault if the kernel has one.
  void launch(const void* kernel, const cuda::emulator::Shape& shape, const void* parameters,
              size_t parameter_bytes, void (*enter)(const void*));

  // If set, called before each block; true skips this and all remaining blocks.
  std::function<bool()> stopping;
  // If set, called for each launch, and nothing runs.
  std::function<void(const std::string& kernel, const cuda::emulator::Shape& shape)> instead_of_running;

  static Machine& current();
  // The number of completed launches of heed's kernels, without those of tests, on all machines.
  static uint64_t completed_launches();

  // For the parts of the emulator.
  GlobalMemory memory;
  Sites sites;
  SiteCounts site_counts;
  ScheduleRandom random;
  Tick launch_begin = 0;
  const void* kernel = nullptr;
  uint64_t schedule_seed;

 private:
  uint32_t architecture_;
  Machine* outer_;
};

}  // namespace heed::emulator

#endif
