#include "cuda/runtime/waves.h"

#include <algorithm>

namespace heed::cuda {

namespace {

constexpr size_t transfer_alignment = 256;
// Limits pieces so that several threads copy at once and the first piece starts early.
constexpr size_t most_piece_bytes = 512 << 10;

size_t aligned(size_t bytes) {
  return (bytes + transfer_alignment - 1) / transfer_alignment * transfer_alignment;
}

}  // namespace

size_t staged_bytes(std::span<const Transfer> transfers) {
  size_t bytes = 0;
  for (const Transfer& transfer : transfers) bytes += aligned(transfer.bytes);
  return bytes;
}

std::vector<Wave> waves_of(std::span<const Transfer> transfers, size_t window_bytes) {
  std::vector<Wave> waves;
  const size_t room = staged_bytes(transfers) <= window_bytes ? window_bytes : window_bytes / 2;
  size_t used = room;
  for (const Transfer& transfer : transfers) {
    for (size_t done = 0; done < transfer.bytes;) {
      if (used == room) {
        waves.emplace_back();
        used = 0;
      }
      const size_t bytes = std::min({transfer.bytes - done, most_piece_bytes, room - used});
      const size_t half = (waves.size() - 1) % 2 * room;
      waves.back().push_back({{transfer.host + done, transfer.device + done, bytes}, half + used});
      used = std::min(room, used + aligned(bytes));
      done += bytes;
    }
  }
  return waves;
}

}  // namespace heed::cuda
