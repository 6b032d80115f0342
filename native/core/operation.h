// One submitted plan: its tasks, its cancellation state and its outcome.
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
  // Called once, on the thread that ended the operation, when no thread touches the plan's memory any more.
  // It must not throw.
  using Completion = std::function<void()>;

  explicit Operation(Plan plan, Completion completion = {})
      : plan_(std::move(plan)), completion_(std::move(completion)) {}

  bool cancelled() const { return cancellation_.cancelled(); }
  // The first exception that a task threw, or null. Valid once the operation has ended.
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

  // The pool's mutex guards everything below, and also everything above except the cancellation once the pool
  // holds the operation.
  size_t phase_ = 0;
  int64_t next_task_ = 0;     // the first task of this phase that no thread has taken
  int64_t running_ = 0;       // the number of tasks of this phase that threads are running
  int helpers_ = 0;           // the number of those that pool workers are running
  int most_helpers_ = 0;      // one less than the number of threads if the caller computes too
  bool pooled_ = false;       // the pool holds or has held it
  bool synchronous_ = false;  // the caller computes too, and waits on changed_ when no task is left to take
  bool suspended_ = false;    // the phase waits for its gate
  bool ended_ = false;        // nothing runs or will run
  std::condition_variable changed_;  // a phase has begun or the operation has ended
};

}  // namespace heed
