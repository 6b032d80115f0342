// A plan is what a backend makes of a problem: phases, each a number of independent tasks. All tasks of a
// phase end before the next phase begins. Which worker runs a task never changes what the task computes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace heed {

// Set once, from any thread; tasks look at it between tiles and return early.
class Cancellation {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

// Memory that a worker keeps between tasks, so that steady work allocates nothing. 64-byte aligned.
class Scratch {
 public:
  // At least `bytes` bytes, contents undefined, valid until the next call. Throws std::bad_alloc.
  void* reserve(size_t bytes);

 private:
  struct Free {
    void operator()(void* pointer) const;
  };
  std::unique_ptr<void, Free> memory_;
  size_t capacity_ = 0;
};

struct TaskContext {
  int64_t task;
  Scratch& scratch;
  const Cancellation& cancellation;
};

// Called once, from any thread but not from within the gate that was given it; later calls do nothing.
using Resume = std::function<void()>;

struct Phase {
  int64_t tasks = 0;
  std::function<void(const TaskContext&)> run;  // may throw
  // What the phase waits for besides the one before it. Where it returns true the phase begins; otherwise
  // once `resume` is called. No thread is held up. It must not throw, take long or call the pool.
  std::function<bool(const Resume& resume)> gate = {};
};

using Plan = std::vector<Phase>;

}  // namespace heed
