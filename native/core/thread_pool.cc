#include "core/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <system_error>

#include "core/available_cores.h"
#include "core/signals_blocked.h"

namespace heed {

namespace {

void name_this_thread() {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), "heed");
#elif defined(__APPLE__)
  pthread_setname_np("heed");
#endif
}

std::mutex shared_mutex;
std::weak_ptr<ThreadPool> shared_pool;

}  // namespace

// process.exit() runs no cleanup of environments, but it does run the destructors of static objects, which
// threads may still use. So the threads end first.
struct ThreadPool::AtExit {
  ~AtExit() {
    if (const auto pool = shared_pool.lock()) pool->abandon();
  }
};

std::shared_ptr<ThreadPool> ThreadPool::shared() {
  static const AtExit at_exit;
  const std::lock_guard lock(shared_mutex);
  auto pool = shared_pool.lock();
  if (!pool) shared_pool = pool = std::make_shared<ThreadPool>();
  return pool;
}

ThreadPool::ThreadPool() : threads_(available_cores()) {}

ThreadPool::~ThreadPool() {
  Lock lock(mutex_);
  stop_workers(0, lock);
}

// No completion is reported any more.
void ThreadPool::abandon() {
  Lock lock(mutex_);
  for (const Item& operation : active_) {
    operation->cancellation_.cancel();
    operation->next_task_ = operation->tasks();
    operation->completion_ = [] {};
  }
  stop_workers(0, lock);
}

void ThreadPool::set_threads(int count) {
  Lock lock(mutex_);
  threads_.store(std::max(1, count), std::memory_order_relaxed);
  stop_workers(static_cast<size_t>(threads()), lock);
}

void ThreadPool::submit(const Item& operation) {
  Lock lock(mutex_);
  if (!start_workers())
    throw std::system_error(EAGAIN, std::generic_category(), "heed cannot start a thread");
  begin(operation, threads(), lock);
  // One wake-up is enough, because workers wake further workers. This thread has to return to its event loop.
  const int sleepers = wakes(1);
  lock.unlock();
  wake(sleepers);
}

void ThreadPool::run(const Item& operation, Scratch& scratch, bool alone) {
  const Plan& plan = operation->plan_;
  const bool divisible =
      std::any_of(plan.begin(), plan.end(), [](const Phase& phase) { return phase.tasks > 1; });
  const bool gated = std::any_of(plan.begin(), plan.end(), [](const Phase& phase) { return phase.gate; });
  if (!gated && (alone || threads() == 1 || !divisible)) return run_alone(*operation, scratch);

  Lock lock(mutex_);
  start_workers();  // if no thread can start, this one computes everything
  operation->synchronous_ = true;
  begin(operation, threads() - 1, lock);
  while (!operation->ended_) {
    if (operation->tasks_left() > 0) {
      execute(operation, false, scratch, lock);
    } else {
      operation->changed_.wait(lock);
    }
  }
  const Plan done = std::exchange(operation->plan_, {});
  lock.unlock();
}

void ThreadPool::run_alone(Operation& operation, Scratch& scratch) {
  try {
    for (const Phase& phase : operation.plan_) {
      for (int64_t task = 0; task < phase.tasks && !operation.cancelled(); ++task) {
        phase.run({task, scratch, operation.cancellation_});
      }
    }
  } catch (...) {
    operation.error_ = std::current_exception();
  }
}

void ThreadPool::cancel(const Item& operation) {
  operation->cancellation_.cancel();
  Lock lock(mutex_);
  if (!operation->pooled_ || operation->ended_) return;
  operation->next_task_ = operation->tasks();
  if (operation->running_ == 0) end(operation, lock);
}

bool ThreadPool::start_workers() {
  const auto wanted = static_cast<size_t>(threads());
  if (workers_.size() >= wanted) return true;
  const SignalsBlocked signals_blocked;
  workers_.reserve(wanted);
  try {
    while (workers_.size() < wanted) {
      auto worker = std::make_unique<Worker>();
      worker->thread = std::thread(&ThreadPool::work, this, std::ref(*worker));
      workers_.push_back(std::move(worker));
    }
  } catch (const std::system_error&) {
    // The thread limit is reached: the threads that started do the work.
  }
  return !workers_.empty();
}

void ThreadPool::stop_workers(size_t keep, Lock& lock) {
  std::vector<std::unique_ptr<Worker>> leaving;
  while (workers_.size() > keep) {
    workers_.back()->stop = true;
    leaving.push_back(std::move(workers_.back()));
    workers_.pop_back();
  }
  if (leaving.empty()) return;
  lock.unlock();
  work_.notify_all();
  for (const auto& worker : leaving) worker->thread.join();
  lock.lock();
}

void ThreadPool::work(Worker& self) {
  name_this_thread();
  Scratch scratch;
  Lock lock(mutex_);
  while (!self.stop) {
    if (const Item operation = next_in_turn()) {
      execute(operation, true, scratch, lock);
    } else {
      ++sleeping_;
      work_.wait(lock);
      --sleeping_;
    }
  }
  // This thread's wake-up may have been meant for another operation, and a phase that it opened may need
  // further workers.
  const int sleepers = wakes(2);
  lock.unlock();
  wake(sleepers);
}

void ThreadPool::begin(const Item& operation, int most_helpers, Lock& lock) {
  active_.push_back(operation);
  operation->pooled_ = true;
  operation->most_helpers_ = most_helpers;
  open_phase(operation, 0, lock);
}

ThreadPool::Item ThreadPool::next_in_turn() {
  for (size_t looked = 0; looked < active_.size(); ++looked) {
    if (turn_ >= active_.size()) turn_ = 0;
    const Item& operation = active_[turn_++];
    if (operation->tasks_left() > 0 && operation->helpers_ < operation->most_helpers_) return operation;
  }
  return nullptr;
}

void ThreadPool::execute(const Item& operation, bool helper, Scratch& scratch, Lock& lock) {
  const int64_t task = operation->next_task_++;
  const Phase& phase = operation->plan_[operation->phase_];
  ++operation->running_;
  operation->helpers_ += helper;
  const int sleepers = wakes(2);
  lock.unlock();
  wake(sleepers);

  std::exception_ptr error;
  if (!operation->cancelled()) {
    try {
      phase.run({task, scratch, operation->cancellation_});
    } catch (...) {
      error = std::current_exception();
    }
  }

  lock.lock();
  --operation->running_;
  operation->helpers_ -= helper;
  if (error && !operation->error_) operation->error_ = std::move(error);
  if (operation->stopping()) operation->next_task_ = operation->tasks();
  if (operation->running_ == 0 && operation->tasks_left() == 0)
    open_phase(operation, operation->phase_ + 1, lock);
}

void ThreadPool::open_phase(const Item& operation, size_t phase, Lock& lock) {
  const Plan& plan = operation->plan_;
  while (phase < plan.size() && plan[phase].tasks == 0) ++phase;
  if (phase == plan.size() || operation->stopping()) return end(operation, lock);
  operation->phase_ = phase;
  operation->next_task_ = 0;
  try {
    if (!passes_gate(operation)) return;
  } catch (...) {
    operation->error_ = std::current_exception();
    return end(operation, lock);
  }
  if (operation->synchronous_) operation->changed_.notify_one();
}

// If it does not pass, no task is available until resume().
bool ThreadPool::passes_gate(const Item& operation) {
  const Phase& phase = operation->plan_[operation->phase_];
  if (!phase.gate) return true;
  const auto resumed = [pool = weak_from_this(), item = std::weak_ptr(operation),
                        number = operation->phase_] {
    const auto alive = pool.lock();
    const auto suspended = item.lock();
    if (alive && suspended) alive->resume(suspended, number);
  };
  operation->suspended_ = true;
  operation->next_task_ = phase.tasks;
  if (!phase.gate(resumed)) return false;
  operation->suspended_ = false;
  operation->next_task_ = 0;
  return true;
}

void ThreadPool::resume(const Item& operation, size_t phase) {
  Lock lock(mutex_);
  if (!operation->suspended_ || operation->phase_ != phase || operation->ended_) return;
  operation->suspended_ = false;
  operation->next_task_ = 0;
  if (operation->synchronous_) operation->changed_.notify_one();
  const int sleepers = wakes(2);
  lock.unlock();
  wake(sleepers);
}

void ThreadPool::end(const Item& operation, Lock& lock) {
  const auto place = std::find(active_.begin(), active_.end(), operation);
  if (place - active_.begin() < static_cast<std::ptrdiff_t>(turn_)) --turn_;
  active_.erase(place);
  operation->ended_ = true;
  if (operation->synchronous_) {
    operation->changed_.notify_one();
    return;
  }
  // The completion may rely on the plan and everything that it holds being destroyed.
  Plan plan = std::exchange(operation->plan_, {});
  const Operation::Completion completion = std::exchange(operation->completion_, {});
  lock.unlock();
  plan = {};
  completion();
  lock.lock();
}

// How many sleeping workers would find a task, up to `most`.
int ThreadPool::wakes(int most) const {
  const int limit = std::min(most, sleeping_);
  int64_t wanted = 0;
  for (auto item = active_.begin(); item != active_.end() && wanted < limit; ++item) {
    const Operation& operation = **item;
    wanted += std::clamp<int64_t>(operation.tasks_left(), 0, operation.most_helpers_ - operation.helpers_);
  }
  return static_cast<int>(std::min<int64_t>(wanted, limit));
}

void ThreadPool::wake(int sleepers) {
  for (int i = 0; i < sleepers; ++i) work_.notify_one();
}

}  // namespace heed
