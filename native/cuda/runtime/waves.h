// Divides host arrays into pieces that pass through a window of pinned memory.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace heed::cuda {

// A copy between a host array and a place on the device.
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

// Pieces that are in the window at once. Waves alternate between its two halves, so that one is copied by the
// CPU while the other is being transferred; a single wave has the whole window.
using Wave = std::vector<Piece>;

// The window size that the transfers need, including gaps between pieces.
size_t staged_bytes(std::span<const Transfer> transfers);
std::vector<Wave> waves_of(std::span<const Transfer> transfers, size_t window_bytes);

}  // namespace heed::cuda
