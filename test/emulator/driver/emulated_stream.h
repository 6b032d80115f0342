// A stream of an emulated GPU: a queue, and a thread with a Machine that processes it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "machine/launch_queue.h"
#include "machine/machine.h"

namespace heed::emulator {

class EmulatedStream final : public LaunchQueue {
 public:
  using Command = std::function<void(Machine&)>;

  EmulatedStream(uint64_t schedule_seed, uint32_t architecture);
  // Discards what is still queued.
  ~EmulatedStream() override;
  EmulatedStream(const EmulatedStream&) = delete;
  EmulatedStream& operator=(const EmulatedStream&) = delete;

  // A command that throws loses the device: no later command runs.
  void enqueue(Command command);
  // Runs even if the device is lost, so that no other stream waits for this one forever.
  void finish(std::function<void(const char* failure)> f);
  void launch(const void* kernel, const cuda::emulator::Shape& shape, const void* parameters,
              size_t parameter_bytes, void (*enter)(const void*)) override;

  // Waits until everything queued so far is done.
  void synchronize();
  // The error of a failed command; empty if none failed.
  std::string failure();
  void stop();
  uint64_t launches() const { return launches_; }
  // Launches after the first `launches` lose the device.
  void lose_after(uint64_t launches);

 private:
  struct Entry {
    Command command;
    std::function<void(const char* failure)> finish;
  };
  void work();
  void run(Machine& machine, Entry& entry);
  void add(Entry entry);

  const uint64_t seed_;
  const uint32_t architecture_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> queue_;
  uint64_t added_ = 0, done_ = 0;
  std::string failure_;
  bool stopping_ = false;
  std::atomic<bool> stop_kernels_{false};
  std::atomic<uint64_t> launches_{0}, launches_left_{UINT64_MAX};
  std::thread thread_;
};

}  // namespace heed::emulator
