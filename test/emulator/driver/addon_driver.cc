// The driver of an addon with emulated GPUs. Tests configure it through environment variables:
// HEED_EMULATED_GPUS, the number of GPUs (default 2; 0: none, as on a machine without a driver),
// HEED_EMULATED_MEMORY, bytes per GPU, HEED_EMULATED_LAUNCHES, the number of launches after which the next
// one loses its GPU, HEED_EMULATED_DRIVER, the version of CUDA that the driver has (12040; the addon is built
// with 13000), HEED_EMULATED_ARCHITECTURES, what kernels are compiled for, and HEED_TEST_SEED, the seed of
// the schedules.
#include <cstdlib>

#include "cuda/runtime/devices.h"
#include "driver/emulated_driver.h"

namespace heed::cuda {

namespace {

template <class T>
void read(const char* name, T& value) {
  if (const char* given = std::getenv(name)) value = static_cast<T>(std::strtoull(given, nullptr, 10));
}

heed::emulator::DriverOptions options_of_environment() {
  heed::emulator::DriverOptions options;
  // A kernel that takes microseconds on a GPU takes seconds here, for which an allocation that waits would
  // hold up the event loop. The native tests show that nothing deadlocks where allocations wait.
  options.allocations_wait = false;
  read("HEED_EMULATED_GPUS", options.devices);
  read("HEED_EMULATED_MEMORY", options.memory);
  read("HEED_EMULATED_LAUNCHES", options.most_launches);
  read("HEED_EMULATED_DRIVER", options.built.driver);
  if (const char* given = std::getenv("HEED_EMULATED_ARCHITECTURES")) options.built.architectures = given;
  read("HEED_TEST_SEED", options.seed);
  if (options.devices == 0)
    options.reason = "cudaGetDeviceCount failed: cudaErrorNoDevice, no CUDA-capable device is detected";
  return options;
}

// process.exit() runs no cleanup of environments, and compute threads may still call the driver: the driver
// is not destroyed, and only its own threads end.
struct AtExit {
  heed::emulator::EmulatedDriver* driver = new heed::emulator::EmulatedDriver(options_of_environment());
  ~AtExit() { driver->stop(); }
};

}  // namespace

Driver& driver() {
  static const AtExit at_exit;
  return *at_exit.driver;
}

}  // namespace heed::cuda
