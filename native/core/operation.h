// One submitted plan: what is to run, whether it should stop, and what came of it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <utility>

#include "core/plan.h"

namespace heed {

class Operation {
 public:
  // Runs once, on whichever thread ended the operation, when no thread touches the plan's memory any more.
  // It must not throw.
  using Completion = std::function<void()>;

  explicit Operation(Plan plan, Completion completion = {})
      : plan_(std::move(plan)), completion_(std::move(completion)) {}

  bool cancelled() const { return cancellation_.cancelled(); }
  // The first exception that a task threw, or null. Ask once the operation has ended.
  std::exception_ptr error() const { return error_; }

 private:
  friend class ThreadPool;

  int64_t tasks() const { return phase_ < plan_.size() ? plan_[phase_].tasks : 0; }
  int64_t tasks_left() const { return tasks() - next_task_; }
  bool stopping() const { return error_ != nullptr || cancellation_.cancelled(); }

  Plan plan_;
  Completion completion_;
  Cancellation cancellation_;
  std::exception_ptr error_;

  // The pool's mutex guards everything below, and everything above but the cancellation once the pool has it.
  size_t phase_ = 0;
  int64_t next_task_ = 0;     // the first task of this phase that nobody has taken
  int64_t running_ = 0;       // tasks of this phase that threads are at
  int helpers_ = 0;           // those of them that workers of the pool are at
  int most_helpers_ = 0;      // one less than the threads where the caller computes too
  bool pooled_ = false;       // the pool has, or has had, it
  bool synchronous_ = false;  // its caller computes too, and waits on changed_ when nothing is left to take
  bool suspended_ = false;    // its phase waits for its gate
  bool ended_ = false;        // nothing runs, and nothing will
  std::condition_variable changed_;  // a phase has begun, or the operation has ended
};

}  // namespace heed
