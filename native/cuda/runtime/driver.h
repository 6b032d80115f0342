// CUDA operations other than launches, implemented by cudart on a GPU and by the emulator without one.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "cuda/kernel_launch.h"
#include "cuda/runtime/errors.h"
#include "cuda/stream.h"

namespace heed::cuda {

struct DeviceDescription {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  size_t memory = 0;         // bytes
  int multiprocessors = 0;
  size_t shared_bytes = 0;  // of a multiprocessor
  bool compiles = false;    // its driver compiles kernels from PTX, as the addon has no machine code for it
};

struct Availability {
  std::string reason;                      // why there is no device; empty where there is one
  std::string driver, runtime;             // versions, empty where unknown
  std::string needed;                      // the driver that the runtime needs, in words
  bool outdated = false;                   // whether the driver is older than that
  std::vector<DeviceDescription> devices;  // by number
};

// A point in a stream.
struct Event;
// Launches, one after the other, that one call enqueues.
struct Graph;

// Calls are safe on any thread. Calls with a stream, event or memory of a device require the device to be
// current (`use`) on the calling thread. They throw DeviceError, and OutOfDeviceMemory if memory is
// exhausted. Copies and sets happen in the order of their stream; pinned host memory must stay unchanged
// until then.
class Driver {
 public:
  virtual ~Driver() = default;

  virtual bool emulated() const = 0;
  // Queried once.
  virtual const Availability& availability() = 0;
  virtual void use(int device) = 0;

  virtual Stream make_stream() = 0;
  virtual void destroy_stream(Stream stream) noexcept = 0;
  // Waits for everything on the stream.
  virtual void synchronize(Stream stream) = 0;
  // Whether the device is lost; called after another call or a launch has failed.
  virtual bool is_lost(Stream stream) noexcept = 0;

  virtual void* allocate(size_t bytes) = 0;
  virtual void free(void* memory) noexcept = 0;
  virtual void* allocate_pinned(size_t bytes) = 0;
  virtual void free_pinned(void* memory) noexcept = 0;
  struct MemoryInfo {
    size_t free = 0, total = 0;
  };
  virtual MemoryInfo memory_info() = 0;
  // From this point of the stream on, the first `bytes` of the memory are in use and uninitialised. For tools
  // that check accesses.
  virtual void begin_use(void* memory, size_t bytes, Stream stream) = 0;

  virtual void copy_to_device(void* to, const void* pinned, size_t bytes, Stream stream) = 0;
  virtual void copy_from_device(void* pinned, const void* from, size_t bytes, Stream stream) = 0;
  struct Rows {
    size_t bytes, count, from_pitch, to_pitch;
  };
  virtual void copy_on_device(void* to, const void* from, const Rows& rows, Stream stream) = 0;
  virtual void copy_between_devices(void* to, int to_device, const void* from, int from_device, size_t bytes,
                                    Stream stream) = 0;
  virtual void clear(void* memory, size_t bytes, Stream stream) = 0;

  virtual Event* make_event() = 0;
  virtual void destroy_event(Event* event) noexcept = 0;
  virtual void record(Event* event, Stream stream) = 0;
  // Whether the stream has passed the point where the event was last recorded. True for an event that was
  // never recorded. Throws DeviceError only if the device is lost.
  virtual bool passed(Event* event) = 0;
  // Later work on the stream waits for the event, which may belong to any device.
  virtual void wait(Stream stream, Event* event) = 0;

  // Takes memory of the device. At least one launch.
  virtual Graph* make_graph(std::span<const KernelLaunch> launches) = 0;
  // It may still be under way.
  virtual void destroy_graph(Graph* graph) noexcept = 0;
  // From now on the graph launches this in the given place, where it has launched the same kernel. Enqueues
  // nothing, and changes nothing of what is under way.
  virtual void change(Graph* graph, size_t place, const KernelLaunch& launch) = 0;
  // Not to be called while another thread changes or launches this graph.
  virtual void launch(Graph* graph, Stream stream) = 0;
};

}  // namespace heed::cuda
