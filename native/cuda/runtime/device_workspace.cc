#include "cuda/runtime/device_workspace.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace heed::cuda {

namespace {
constexpr size_t alignment = 256;
}

DeviceWorkspace::~DeviceWorkspace() {
  for (auto& piece : pieces_) device_.tables().give_back(std::move(piece));
}

DeviceCapacity DeviceWorkspace::capacity() const {
  const auto& devices = device_.driver().availability().devices;
  const DeviceDescription& here = devices[static_cast<size_t>(device_.index())];
  return {here.multiprocessors, here.shared_bytes};
}

void* DeviceWorkspace::allocate(size_t bytes) {
  blocks_.emplace_back(device_.memory(), bytes);
  return blocks_.back().data();
}

const void* DeviceWorkspace::upload(const void* bytes, size_t count) {
  if (pieces_.empty() || pieces_.back()->bytes() - pieces_.back()->used < count) {
    flush();
    pieces_.reserve(pieces_.size() + 1);
    pieces_.push_back(device_.tables().take(count));
    pieces_.back()->copied = pieces_.back()->used;
  }
  TableMemory::Piece& piece = *pieces_.back();
  const size_t at = piece.used;
  std::memcpy(piece.host + at, bytes, count);
  device_.driver().begin_use(piece.device.data() + at, count, device_.stream());
  piece.used = std::min(piece.bytes(), (at + count + alignment - 1) / alignment * alignment);
  return piece.device.data() + at;
}

const void* DeviceWorkspace::upload_kept(const void* bytes, size_t count) {
  kept_.reserve(kept_.size() + 1);
  auto block = device_.kept_tables().find(bytes, count, [&](std::byte* to) {
    const void* uploaded = upload(bytes, count);
    flush();
    device_.driver().copy_on_device(to, uploaded, {count, 1, count, count}, device_.stream());
  });
  if (block == nullptr) return upload(bytes, count);
  kept_.push_back(std::move(block));
  return kept_.back()->data();
}

void DeviceWorkspace::launch(KernelLaunch&& launch) {
  launches_.push_back(std::move(launch));
}

void DeviceWorkspace::enqueue() {
  flush();
  device_.graphs().run(std::exchange(launches_, {}));
}

// Uploads all tables since the last flush at once.
void DeviceWorkspace::flush() {
  if (pieces_.empty()) return;
  TableMemory::Piece& piece = *pieces_.back();
  if (piece.copied == piece.used) return;
  device_.driver().copy_to_device(piece.device.data() + piece.copied, piece.host + piece.copied,
                                  piece.used - piece.copied, device_.stream());
  piece.copied = piece.used;
}

}  // namespace heed::cuda
