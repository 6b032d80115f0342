// How host arrays travel through a window of pinned memory.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace heed::cuda {

// Between an array of the host's and a place on the device.
struct Transfer {
  std::byte* host = nullptr;
  std::byte* device = nullptr;
  size_t bytes = 0;
};

// A part of a transfer, and its place in the window.
struct Piece {
  Transfer part;
  size_t place = 0;
};

// Pieces that are in the window at once. Waves take turns with its two halves, so that one is copied while
// another is on its way; where one wave is enough it has the whole window.
using Wave = std::vector<Piece>;

// What the transfers take of a window, with room between pieces.
size_t staged_bytes(std::span<const Transfer> transfers);
std::vector<Wave> waves_of(std::span<const Transfer> transfers, size_t window_bytes);

}  // namespace heed::cuda
