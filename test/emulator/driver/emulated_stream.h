// A stream of a GPU that does not exist: a queue, and a thread with a Machine that empties it.
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
  // Leaves out what is still queued.
  ~EmulatedStream() override;
  EmulatedStream(const EmulatedStream&) = delete;
  EmulatedStream& operator=(const EmulatedStream&) = delete;

  // Where a command throws, the device is lost: none that comes later runs any more.
  void enqueue(Command command);
  // Runs even where the device is lost.
  void call_back(std::function<void(const char* failure)> f);
  void launch(const void* kernel, const cuda::emulator::Shape& shape, const void* parameters,
              size_t parameter_bytes, void (*enter)(const void*)) override;

  // Until everything is done that has been queued so far.
  void synchronize();
  // What was wrong with a command; empty while nothing is.
  std::string failure();
  void stop();
  // The launches after so many lose the device.
  void lose_after(uint64_t launches);

 private:
  struct Entry {
    Command command;
    std::function<void(const char* failure)> callback;
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
  std::atomic<uint64_t> launches_left_{UINT64_MAX};
  std::thread thread_;
};

}  // namespace heed::emulator
