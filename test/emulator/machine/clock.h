// The order of the actions of threads. Every meeting of threads gets the next tick, and each action of a
// thread is marked with the tick of its last meeting. An access happens before everything that follows a
// later meeting of its thread.
#pragma once

#include <cstdint>

namespace heed::emulator {

using Tick = uint64_t;

// Greater than all earlier ticks on any Machine of this host thread, so that the traces of one machine never
// look recent to the next.
inline Tick next_tick() {
  static thread_local constinit Tick tick = 0;
  return ++tick;
}

}  // namespace heed::emulator
