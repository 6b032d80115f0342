// The memory of one operation, on a device.
#pragma once

#include <memory>
#include <vector>

#include "cuda/runtime/device.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Its destructor returns the memory: everything that uses it has been enqueued by then.
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

 private:
  void flush() override;

  Device& device_;
  std::vector<DeviceBlock> blocks_;
  std::vector<std::shared_ptr<const DeviceBlock>> kept_;
  std::vector<std::unique_ptr<TableMemory::Piece>> pieces_;  // the last one is being filled
};

}  // namespace heed::cuda
