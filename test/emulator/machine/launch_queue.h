// The interface through which a stream other than the default one receives launches.
#pragma once

#include "cuda/device/emulator.h"
#include "cuda/stream.h"

namespace heed::emulator {

class LaunchQueue {
 public:
  virtual ~LaunchQueue() = default;
  // Queues the launch to run on the stream's Machine when everything before it is done.
  virtual void launch(const void* kernel, const cuda::emulator::Shape& shape, const void* parameters,
                      size_t parameter_bytes, void (*enter)(const void*)) = 0;

  cuda::Stream stream() { return reinterpret_cast<cuda::Stream>(this); }
  static LaunchQueue& of(cuda::Stream stream) { return *reinterpret_cast<LaunchQueue*>(stream); }
};

}  // namespace heed::emulator
