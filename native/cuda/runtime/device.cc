#include "cuda/runtime/device.h"

#include <utility>

namespace heed::cuda {

Device::Device(Driver& driver, int index) : driver_(driver), index_(index) {
  driver_.use(index_);
  stream_ = driver_.make_stream();
  memory_.emplace(driver_, index_, stream_);
  staging_.emplace(driver_);
  tables_.emplace(driver_, *memory_, stream_);
  kept_tables_.emplace(*memory_);
  graphs_.emplace(driver_, stream_);
  watch_.emplace(driver_, index_, stream_);
}

Device::~Device() {
  try {
    driver_.use(index_);
    if (!lost_) driver_.synchronize(stream_);
  } catch (const std::exception& error) {
    set_lost(error.what());
  }
  if (lost_) watch_->give_up(why_lost_);
  watch_.reset();
  graphs_.reset();
  kept_tables_.reset();
  tables_.reset();
  staging_.reset();
  memory_.reset();
  driver_.destroy_stream(stream_);
}

void Device::call_back(std::function<void(const char* failure)> f) {
  watch_->call_back([this, f = std::move(f)](const char* failure) {
    if (failure != nullptr) set_lost(failure);
    f(failure);
  });
}

void Device::set_lost(const char* why) {
  const std::lock_guard lock(mutex_);
  if (!lost_.exchange(true)) why_lost_ = why;
}

void Device::expect_not_lost() {
  if (lost_) throw_lost();
}

void Device::rethrow_if_lost(const LaunchError& error) {
  if (!lost_ && !driver_.is_lost(stream_)) return;
  set_lost(error.what());
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
