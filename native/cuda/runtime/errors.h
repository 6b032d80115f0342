// Device errors, as exceptions.
#pragma once

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "cuda/stream.h"

namespace heed::cuda {

// A CUDA call or a launch failed: the message names the call and the error.
struct DeviceError : LaunchError {
  using LaunchError::LaunchError;
};

// The device is lost, and nothing works on it any more. The first such exception gives the cause; later ones
// only say that the device is lost.
struct DeviceLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The device does not exist; the message says why.
struct NoDevice : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Device memory is exhausted, or pinned host memory for the device.
class OutOfDeviceMemory : public std::bad_alloc {
 public:
  explicit OutOfDeviceMemory(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

}  // namespace heed::cuda
