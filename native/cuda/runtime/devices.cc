#include "cuda/runtime/devices.h"

#include <map>
#include <mutex>
#include <string>

namespace heed::cuda {

namespace {

std::mutex shared_mutex;
std::map<int, std::weak_ptr<Device>> shared_devices;

Driver& driver_with(int index) {
  const Compiled* cuda = compiled();
  if (cuda == nullptr) throw NoDevice("This build of heed has no cuda backend");
  Driver& driver = cuda->driver();
  const Availability& available = driver.availability();
  if (available.devices.empty()) throw NoDevice(available.reason);
  const auto count = static_cast<int>(available.devices.size());
  if (index < 0 || index >= count) {
    throw NoDevice("There is no cuda:" + std::to_string(index) +
                   ": the last device is cuda:" + std::to_string(count - 1));
  }
  return driver;
}

}  // namespace

std::shared_ptr<Device> device(int index) {
  Driver& driver = driver_with(index);
  const std::lock_guard lock(shared_mutex);
  std::weak_ptr<Device>& shared = shared_devices[index];
  std::shared_ptr<Device> device = shared.lock();
  if (!device) shared = device = std::make_shared<Device>(driver, index);
  return device;
}

}  // namespace heed::cuda
