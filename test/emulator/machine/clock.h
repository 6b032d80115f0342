// Who can have seen what of whom. Every meeting of threads gets the next tick; what a thread does is marked
// with the tick of its last meeting. An access comes before whatever follows a meeting that its thread took
// part in later.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace heed::emulator {

using Tick = uint64_t;

// Greater than all before, on any Machine of this host thread: what is left from one never looks new to the
// next.
inline Tick next_tick() {
  static thread_local constinit Tick tick = 0;
  return ++tick;
}

// What one thread knows: all of a warp that is older than its tick has happened before. Block-wide barriers
// have a tick of their own in the block, and only whole warps take part in the other barriers; so lanes have
// to be told apart in the thread's own warp only.
struct Knowledge {
  std::array<Tick, 32> warps{};
  std::array<Tick, 32> own_lanes{};

  void learn_warps(const Knowledge& other) {
    for (size_t w = 0; w < 32; ++w) warps[w] = std::max(warps[w], other.warps[w]);
  }
  void learn_lanes(const Knowledge& other) {
    for (size_t l = 0; l < 32; ++l) own_lanes[l] = std::max(own_lanes[l], other.own_lanes[l]);
  }
};

}  // namespace heed::emulator
