#include "cuda/runtime/device.h"

#include <chrono>
#include <utility>

namespace heed::cuda {

namespace {
// How long a lost device has to report the loss to everything that waits for its stream.
constexpr std::chrono::seconds patience{5};
}  // namespace

struct Device::Callback {
  Device* device;
  std::function<void(const char*)> f;

  static void call(void* state, const char* failure) {
    const std::unique_ptr<Callback> callback(static_cast<Callback*>(state));
    Device& device = *callback->device;
    if (failure != nullptr) {
      const std::lock_guard lock(device.mutex_);
      if (!device.lost_.exchange(true)) device.why_lost_ = failure;
    }
    callback->f(failure);
    callback->f = nullptr;
    // Notifies while holding the lock: once the lock is free, the device may be destroyed.
    const std::lock_guard lock(device.mutex_);
    --device.callbacks_;
    device.called_back_.notify_all();
  }
};

Device::Device(Driver& driver, int index) : driver_(driver), index_(index) {
  driver_.use(index_);
  stream_ = driver_.make_stream();
  memory_.emplace(driver_, index_, stream_);
  staging_.emplace(driver_);
  tables_.emplace(driver_, *memory_, stream_);
}

Device::~Device() {
  try {
    driver_.use(index_);
    if (!lost_) driver_.synchronize(stream_);
  } catch (const std::exception&) {
    lost_ = true;
  }
  wait_for_callbacks();
  tables_.reset();
  staging_.reset();
  memory_.reset();
  driver_.destroy_stream(stream_);
}

void Device::wait_for_callbacks() {
  std::unique_lock lock(mutex_);
  const auto none = [this] { return callbacks_ == 0; };
  if (lost_) {
    called_back_.wait_for(lock, patience, none);
  } else {
    called_back_.wait(lock, none);
  }
}

void Device::call_back(std::function<void(const char* failure)> f) {
  auto callback = std::make_unique<Callback>(Callback{this, std::move(f)});
  {
    const std::lock_guard lock(mutex_);
    ++callbacks_;
  }
  try {
    driver_.call_back(stream_, &Callback::call, callback.get());
  } catch (...) {
    const std::lock_guard lock(mutex_);
    --callbacks_;
    throw;
  }
  static_cast<void>(callback.release());  // the stream owns it now
}

void Device::expect_not_lost() {
  if (lost_) throw_lost();
}

void Device::rethrow_if_lost(const LaunchError& error) {
  if (!lost_ && !driver_.is_lost(stream_)) return;
  {
    const std::lock_guard lock(mutex_);
    if (!lost_.exchange(true)) why_lost_ = error.what();
  }
  throw_lost();
}

void Device::throw_lost() {
  const std::lock_guard lock(mutex_);
  const std::string name = "cuda:" + std::to_string(index_);
  if (!std::exchange(reported_, true)) {
    throw DeviceLost(name +
                     " was lost, and nothing works on it until the process is started again: " + why_lost_);
  }
  throw DeviceLost(name + " was lost before: " + why_lost_);
}

}  // namespace heed::cuda
