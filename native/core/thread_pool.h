// The compute threads, shared by every environment of the process.
//
// A worker takes one task at a time from the operations in turn, so that all operations progress, however
// many there are. The end of a phase is a barrier: the thread that finishes its last task opens the next
// phase.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/operation.h"

namespace heed {

class ThreadPool : public std::enable_shared_from_this<ThreadPool> {
 public:
  // The pool of this process. It lives as long as a reference exists; a later call creates a new pool.
  static std::shared_ptr<ThreadPool> shared();

  ThreadPool();
  // Joins the threads. No operation may be in progress.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_.load(std::memory_order_relaxed); }
  // At least 1. Waits until surplus threads have finished their task; missing ones start when needed.
  void set_threads(int count);

  // Returns at once; the operation's completion reports its end. Throws std::system_error if no thread can
  // start.
  void submit(const std::shared_ptr<Operation>& operation);
  // Returns when the operation has ended. The calling thread computes as one of threads(), or alone, because
  // waking others takes longer than a small operation. If phases have gates, it is never alone.
  void run(const std::shared_ptr<Operation>& operation, Scratch& scratch, bool alone = false);
  // Starts no further task of the operation. The operation ends when its running tasks have noticed, or at
  // once if none runs.
  void cancel(const std::shared_ptr<Operation>& operation);

 private:
  struct Worker {
    std::thread thread;
    bool stop = false;
  };
  using Lock = std::unique_lock<std::mutex>;
  using Item = std::shared_ptr<Operation>;

  struct AtExit;

  static void run_alone(Operation& operation, Scratch& scratch);
  void abandon();
  // Called with the mutex held; functions that take the lock release it for a while.
  bool start_workers();
  void stop_workers(size_t keep, Lock& lock);
  void work(Worker& self);
  void begin(const Item& operation, int most_helpers, Lock& lock);
  Item next_in_turn();
  void execute(const Item& operation, bool helper, Scratch& scratch, Lock& lock);
  void open_phase(const Item& operation, size_t phase, Lock& lock);
  bool passes_gate(const Item& operation);
  void resume(const Item& operation, size_t phase);
  void end(const Item& operation, Lock& lock);
  int wakes(int most) const;
  void wake(int sleepers);

  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Item> active_;  // grows only when an operation begins: workers must not run out of memory
  size_t turn_ = 0;           // index of the next operation to look at
  int sleeping_ = 0;
  std::atomic<int> threads_;
};

}  // namespace heed
