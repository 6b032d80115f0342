// The order of what threads do. Every meeting of threads gets the next tick; what a thread does is marked
// with the tick of its last meeting. An access comes before whatever follows a meeting that its thread took
// part in later.
#pragma once

#include <cstdint>

namespace heed::emulator {

using Tick = uint64_t;

// Greater than all before, on any Machine of this host thread: what is left from one never looks new to the
// next.
inline Tick next_tick() {
  static thread_local constinit Tick tick = 0;
  return ++tick;
}

}  // namespace heed::emulator
