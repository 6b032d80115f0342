#include "cuda/runtime/stream_watch.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "core/signals_blocked.h"

namespace heed::cuda {

namespace {

using Clock = std::chrono::steady_clock;

constexpr Clock::duration shortest_pause = std::chrono::microseconds(20);
constexpr Clock::duration longest_pause = std::chrono::milliseconds(1);

// Never destroyed: a thread may still destroy a watch while the process exits.
struct Running {
  std::mutex mutex;
  std::set<StreamWatch*> watches;
};
Running& running() {
  static Running& only = *new Running;
  return only;
}

}  // namespace

// process.exit() runs no cleanup of environments, but it does run the destructors of static objects, those of
// CUDA's run time among them. So the threads end first: this object is made after the run time's.
struct StreamWatch::AtExit {
  ~AtExit() {
    const std::lock_guard lock(running().mutex);
    for (StreamWatch* watch : running().watches) watch->abandon();
  }
};

StreamWatch::StreamWatch(Driver& driver, int device, Stream stream)
    : driver_(driver), device_(device), stream_(stream) {
  static const AtExit at_exit;
  const std::lock_guard lock(running().mutex);
  running().watches.insert(this);
}

StreamWatch::~StreamWatch() {
  {
    const std::lock_guard lock(running().mutex);
    running().watches.erase(this);
  }
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (Event* event : events_) driver_.destroy_event(event);
}

void StreamWatch::abandon() {
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void StreamWatch::call_back(Function f) {
  const std::lock_guard lock(mutex_);
  start();
  // Under the lock, so that points stay in the order of the stream.
  Event* const point = event();
  try {
    driver_.record(point, stream_);
    points_.push_back({point, std::move(f)});
  } catch (...) {
    unused_.push_back(point);
    throw;
  }
  if (points_.size() == 1) changed_.notify_all();
}

void StreamWatch::give_up(const std::string& failure) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = failure;
  }
  changed_.notify_all();
}

void StreamWatch::start() {
  if (thread_.joinable() || abandoned_) return;
  const SignalsBlocked signals_blocked;
  thread_ = std::thread(&StreamWatch::work, this);
}

Event* StreamWatch::event() {
  if (unused_.empty()) {
    events_.reserve(events_.size() + 1);
    unused_.reserve(events_.size() + 1);
    events_.push_back(driver_.make_event());
    return events_.back();
  }
  Event* const event = unused_.back();
  unused_.pop_back();
  return event;
}

// The failure, if the device was lost. The driver names no other error of an event.
std::string StreamWatch::ask(Event* event, bool& passed) noexcept {
  try {
    driver_.use(device_);
    passed = driver_.passed(event);
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

void StreamWatch::work() {
  std::unique_lock lock(mutex_);
  for (Clock::time_point since = Clock::now();;) {
    if (points_.empty()) {
      changed_.wait(lock, [this] { return ending_ || abandoned_ || !points_.empty(); });
      since = Clock::now();
    }
    if (abandoned_ || points_.empty()) return;
    bool passed = false;
    if (failure_.empty()) {
      Event* const event = points_.front().event;
      lock.unlock();
      std::string failure = ask(event, passed);
      lock.lock();
      if (failure_.empty()) failure_ = std::move(failure);
    }
    if (!passed && failure_.empty()) {
      const auto pause = std::clamp((Clock::now() - since) / 8, shortest_pause, longest_pause);
      changed_.wait_for(lock, pause, [this] { return abandoned_ || !failure_.empty(); });
      continue;
    }
    {
      const Point point = std::move(points_.front());
      points_.pop_front();
      unused_.push_back(point.event);
      const char* const failure = failure_.empty() ? nullptr : failure_.c_str();
      lock.unlock();
      point.f(failure);
    }  // destroys the function without the lock
    lock.lock();
    since = Clock::now();
  }
}

}  // namespace heed::cuda
