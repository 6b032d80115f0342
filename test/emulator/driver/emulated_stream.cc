#include "driver/emulated_stream.h"

#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include "core/signals_blocked.h"

namespace heed::emulator {

EmulatedStream::EmulatedStream(uint64_t schedule_seed, uint32_t architecture)
    : seed_(schedule_seed), architecture_(architecture) {
  const SignalsBlocked signals_blocked;
  thread_ = std::thread(&EmulatedStream::work, this);
}

EmulatedStream::~EmulatedStream() {
  stop();
}

void EmulatedStream::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stop_kernels_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void EmulatedStream::enqueue(Command command) {
  add({std::move(command), {}});
}

void EmulatedStream::finish(std::function<void(const char*)> f) {
  add({{}, std::move(f)});
}

void EmulatedStream::add(Entry entry) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(entry));
    ++added_;
  }
  changed_.notify_all();
}

void EmulatedStream::launch(const void* kernel, const cuda::emulator::Shape& shape, const void* parameters,
                            size_t parameter_bytes, void (*enter)(const void*)) {
  const std::string failed = failure();
  if (!failed.empty())
    throw cuda::LaunchError("Launching a kernel failed: cudaErrorLaunchFailure, " + failed);
  Machine::expect_launchable(shape, architecture_);
  ++launches_;
  // As strictly aligned as parameters may require.
  using Unit = std::max_align_t;
  auto copy = std::make_shared<std::vector<Unit>>((parameter_bytes + sizeof(Unit) - 1) / sizeof(Unit));
  std::memcpy(copy->data(), parameters, parameter_bytes);
  enqueue([=, this](Machine& machine) {
    if (launches_left_ == 0) throw std::runtime_error("the launch that was to lose the device");
    --launches_left_;
    machine.launch(kernel, shape, copy->data(), parameter_bytes, enter);
  });
}

void EmulatedStream::synchronize() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this, until = added_] { return done_ >= until || stopping_; });
}

std::string EmulatedStream::failure() {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void EmulatedStream::lose_after(uint64_t launches) {
  launches_left_ = launches;
}

void EmulatedStream::work() {
  Machine machine(seed_, architecture_);
  machine.counting = false;
  machine.stopping = [this] { return stop_kernels_.load(); };
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    Entry entry = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    run(machine, entry);
    entry = {};
    lock.lock();
    ++done_;
    changed_.notify_all();
  }
}

void EmulatedStream::run(Machine& machine, Entry& entry) {
  const std::string failed = failure();
  if (entry.finish) return entry.finish(failed.empty() ? nullptr : failed.c_str());
  if (!failed.empty()) return;
  try {
    entry.command(machine);
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    failure_ = error.what();
  }
}

}  // namespace heed::emulator
