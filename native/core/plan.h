// The phases into which a backend divides a problem, each a number of independent tasks. All tasks of a phase
// end before the next phase begins. The result of a task does not depend on the worker that runs it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/aligned_memory.h"

namespace heed {

// Set once, from any thread; tasks check it between tiles and return early.
class Cancellation {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

// Memory that a worker keeps between tasks, so that steady work does not allocate.
class Scratch {
 public:
  // At least `bytes` bytes, contents undefined, valid until the next call. Throws std::bad_alloc.
  void* reserve(size_t bytes);

 private:
  AlignedMemory memory_;
  size_t capacity_ = 0;
};

struct TaskContext {
  int64_t task;
  Scratch& scratch;
  const Cancellation& cancellation;
};

// Must be called from outside the gate that received it, on any thread; later calls do nothing.
using Resume = std::function<void()>;

struct Phase {
  int64_t tasks = 0;
  std::function<void(const TaskContext&)> run;  // may throw
  // A further condition for the phase to begin, besides the end of the previous one. If it returns true the
  // phase begins at once; otherwise when `resume` is called. No thread blocks meanwhile. It must not throw,
  // take long or call the pool.
  std::function<bool(const Resume& resume)> gate = {};
};

using Plan = std::vector<Phase>;

// The number of tasks for `count` items, up to `size` in each.
inline int64_t tasks_for(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

}  // namespace heed
