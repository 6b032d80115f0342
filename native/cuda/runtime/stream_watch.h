// Tells when a stream has come past a point.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cuda/runtime/driver.h"

namespace heed::cuda {

// Records an event at each point, and a thread of its own asks the driver for the oldest of them. CUDA could
// call back by itself, but cudaStreamAddCallback holds up the stream meanwhile, is deprecated, and cannot be
// captured in a graph, and cudaLaunchHostFunc never calls once the device is lost.
//
// The thread begins with the first point, and sleeps while no point is awaited. While one is, it asks for it
// in intervals of an eighth of the time that it has waited already, between 20 µs and 1 ms: so it notices a
// point late by at most this share, and costs a hundredth of a processor at most while the device computes
// for long. Waiting in the driver instead (cudaEventSynchronize) could not be ended when the process exits.
class StreamWatch {
 public:
  // `failure` is null unless the device was lost.
  using Function = std::function<void(const char* failure)>;

  StreamWatch(Driver& driver, int device, Stream stream);
  // Calls every function that is left, so the stream must have been synchronised, or be given up. Must not
  // run on the thread that calls them.
  ~StreamWatch();
  StreamWatch(const StreamWatch&) = delete;
  StreamWatch& operator=(const StreamWatch&) = delete;

  // Calls f(failure) on the watch's thread once the stream has come to this point. Functions are called one
  // after the other, in the order of the stream; none may wait for the stream. Throws DeviceError, and then
  // does not call.
  void call_back(Function f);
  // The device is lost: calls every function with this failure, without asking the driver.
  void give_up(const std::string& failure);

 private:
  struct AtExit;
  struct Point {
    Event* event = nullptr;
    Function f;
  };

  void start();
  void work();
  Event* event();
  std::string ask(Event* event, bool& passed) noexcept;
  void abandon();

  Driver& driver_;
  const int device_;
  const Stream stream_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Point> points_;    // in the order of the stream; only the thread takes them out
  std::vector<Event*> events_;  // all
  std::vector<Event*> unused_;  // with room for all
  std::string failure_;         // set once
  bool ending_ = false;         // the thread ends when no point is left
  bool abandoned_ = false;      // the thread ends at once: the process exits
  std::thread thread_;
};

}  // namespace heed::cuda
