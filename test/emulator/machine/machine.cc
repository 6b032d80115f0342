#include "machine/machine.h"

#include <map>
#include <mutex>
#include <numeric>

#include "cuda/stream.h"
#include "machine/block.h"

namespace heed::emulator {

namespace {

thread_local Machine* current_machine = nullptr;

// The number of completed kernels. Never destroyed, because streams of emulated devices may outlive static
// objects.
struct Completed {
  std::mutex mutex;  // for machines on several threads
  std::map<const void*, uint64_t> launches;
};
Completed& completed() {
  static auto& all = *new Completed;
  return all;
}

}  // namespace

size_t most_shared_bytes(uint32_t architecture) {
  switch (architecture) {
    case 80:
      return 163 * 1024;
    case 86:
    case 89:
      return 99 * 1024;
    case 90:
      return 227 * 1024;
    default:
      throw std::invalid_argument("Expected architecture 80, 86, 89 or 90, received " +
                                  std::to_string(architecture));
  }
}

Machine::Machine(uint64_t the_seed, uint32_t architecture)
    : random(the_seed), schedule_seed(the_seed), architecture_(architecture), outer_(current_machine) {
  current_machine = this;
}

Machine::~Machine() {
  current_machine = outer_;
}

Machine& Machine::current() {
  if (current_machine == nullptr)
    throw std::logic_error("A kernel was launched with no emulator::Machine there");
  return *current_machine;
}

void Machine::expect_launchable(const cuda::emulator::Shape& shape, uint32_t architecture) {
  if (shape.threads < 1 || shape.threads > 1024) {
    throw cuda::LaunchError("Expected 1 to 1024 threads, received " + std::to_string(shape.threads));
  }
  if (shape.shared_bytes > most_shared_bytes(architecture)) {
    throw cuda::LaunchError("Expected at most " + std::to_string(most_shared_bytes(architecture)) +
                            " bytes of shared memory, received " + std::to_string(shape.shared_bytes));
  }
}

void Machine::launch(const void* the_kernel, const cuda::emulator::Shape& shape, const void* parameters,
                     size_t parameter_bytes, void (*enter)(const void*)) {
  kernel = the_kernel;
  expect_launchable(shape, architecture_);
  if (instead_of_running) return instead_of_running(name_of_kernel(kernel), shape);
  launch_begin = next_tick();
  // Runs blocks one after the other, in any order: a kernel may not wait for another block.
  std::vector<uint32_t> order(shape.blocks);
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random.below(static_cast<uint32_t>(i))]);
  Block block(*this, shape);
  for (const uint32_t index : order) {
    if (stopping && stopping()) return;
    block.run(index, parameters, parameter_bytes, enter);
  }
  const std::lock_guard lock(completed().mutex);
  ++completed().launches[kernel];
}

uint64_t Machine::completed_launches() {
  const std::lock_guard lock(completed().mutex);
  uint64_t count = 0;
  for (const auto& [of, launches] : completed().launches) {
    if (name_of_kernel(of).find("heed::cuda::") != std::string::npos) count += launches;
  }
  return count;
}

}  // namespace heed::emulator
