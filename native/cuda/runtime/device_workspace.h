// The memory of one operation, on a device.
#pragma once

#include <memory>
#include <vector>

#include "cuda/runtime/device.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Collects what is uploaded and launched, so that enqueue() gives it to the device at once: all tables by one
// copy, and launches that come again and again as a graph. What fails before that has launched nothing.
//
// Its destructor returns the memory, everything that uses it being on the stream by then.
class DeviceWorkspace final : public Workspace {
 public:
  explicit DeviceWorkspace(Device& device) : Workspace(device.stream()), device_(device) {}
  ~DeviceWorkspace() override;
  using Workspace::upload;
  using Workspace::upload_kept;

  DeviceCapacity capacity() const override;
  void* allocate(size_t bytes) override;
  const void* upload(const void* bytes, size_t count) override;
  const void* upload_kept(const void* bytes, size_t count) override;
  void launch(KernelLaunch&& launch) override;

  // Enqueues what was uploaded and launched since the last call.
  void enqueue();

 private:
  void flush();

  Device& device_;
  std::vector<KernelLaunch> launches_;
  std::vector<DeviceBlock> blocks_;
  std::vector<std::shared_ptr<const DeviceBlock>> kept_;
  std::vector<std::unique_ptr<TableMemory::Piece>> pieces_;  // the last one is being filled
};

}  // namespace heed::cuda
