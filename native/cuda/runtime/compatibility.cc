#include "cuda/runtime/compatibility.h"

#include <sstream>
#include <utility>

namespace heed::cuda {

namespace {

std::string in_words(int version) {
  return version == 0 ? "" : std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Any driver of the same major version of CUDA does. The releases are those of CUDA's release notes.
std::string needed_driver(int runtime) {
  const int major = runtime / 1000;
  const std::string version = "for CUDA " + std::to_string(major);
  if (major == 12) return "R525 or later, " + version;
  if (major == 13) return "R580 or later, " + version;
  return version + " or later";
}

bool has_machine_code(const std::string& architectures, int major, int minor) {
  std::istringstream list(architectures);
  for (std::string each; std::getline(list, each, ',');) {
    // CMake's other words, such as "native" and "all", stand for machine code for whatever is at hand.
    if (each.empty() || each[0] < '0' || each[0] > '9') return true;
    if (each.ends_with("-virtual")) continue;
    const int architecture = std::stoi(each);
    if (architecture / 10 == major && architecture % 10 <= minor) return true;
  }
  return false;
}

}  // namespace

bool describe_versions(Availability& available, const Built& built) {
  available.driver = in_words(built.driver);
  available.runtime = in_words(built.runtime);
  available.needed = needed_driver(built.runtime);
  if (built.driver == 0) {
    available.reason = "There is no NVIDIA driver on this machine";
    return false;
  }
  available.outdated = built.driver / 1000 < built.runtime / 1000;
  if (available.outdated) {
    available.reason = "This build of heed needs an NVIDIA driver " + available.needed +
                       ", and that of this machine is for CUDA " + available.driver;
  }
  return !available.outdated;
}

bool add_device(Availability& available, DeviceDescription device, const Built& built) {
  device.compiles = !has_machine_code(built.architectures, device.major, device.minor);
  // A driver reads no PTX that a newer CUDA has made.
  if (device.compiles && built.driver < built.runtime) {
    available.outdated = true;
    available.reason = "This build of heed has no machine code for " + device.name +
                       ", and to compile it takes an NVIDIA driver for CUDA " + available.runtime +
                       " or later, and that of this machine is for CUDA " + available.driver;
    return false;
  }
  available.devices.push_back(std::move(device));
  return true;
}

}  // namespace heed::cuda
