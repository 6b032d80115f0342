// What goes wrong on a device, as exceptions.
#pragma once

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "cuda/stream.h"

namespace heed::cuda {

// A call of CUDA's has failed, or a launch: the message names the call and the error.
struct DeviceError : LaunchError {
  using LaunchError::LaunchError;
};

// Nothing works on the device any more. The first such exception says what has happened, all later ones that
// it has.
struct DeviceLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// There is no such device; the message says why.
struct NoDevice : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// No more memory of a device's, or none that the host has pinned for it.
class OutOfDeviceMemory : public std::bad_alloc {
 public:
  explicit OutOfDeviceMemory(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

}  // namespace heed::cuda
