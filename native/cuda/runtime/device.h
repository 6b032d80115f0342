// One GPU as this process uses it, with its stream and memory.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "cuda/runtime/driver.h"
#include "cuda/runtime/kept_graphs.h"
#include "cuda/runtime/kept_tables.h"
#include "cuda/runtime/memory_pool.h"
#include "cuda/runtime/staging.h"
#include "cuda/runtime/stream_watch.h"
#include "cuda/runtime/table_memory.h"

namespace heed::cuda {

class Device {
 public:
  Device(Driver& driver, int index);
  // Waits for the stream. Must not run in a function that call_back() was given.
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  int index() const { return index_; }
  Driver& driver() { return driver_; }
  Stream stream() const { return stream_; }
  MemoryPool& memory() { return *memory_; }
  Staging& staging() { return *staging_; }
  TableMemory& tables() { return *tables_; }
  KeptTables& kept_tables() { return *kept_tables_; }
  KeptGraphs& graphs() { return *graphs_; }

  // Calls f with this device current on the calling thread. All calls to the driver are made in such an f:
  // use() throws DeviceLost if the device is lost, and checks for loss if a call fails.
  template <class F>
  auto use(F f) -> decltype(f()) {
    expect_not_lost();
    try {
      driver_.use(index_);
      return f();
    } catch (const LaunchError& error) {
      rethrow_if_lost(error);
      throw;
    }
  }

  // Calls f(failure) on the device's own thread once the stream has come to this point; f may not use the
  // device. `failure` is null unless the device was lost.
  void call_back(std::function<void(const char* failure)> f);

 private:
  void expect_not_lost();
  void rethrow_if_lost(const LaunchError& error);
  [[noreturn]] void throw_lost();
  void set_lost(const char* why);

  Driver& driver_;
  const int index_;
  Stream stream_ = nullptr;
  std::optional<MemoryPool> memory_;
  std::optional<Staging> staging_;
  std::optional<TableMemory> tables_;
  std::optional<KeptTables> kept_tables_;
  std::optional<KeptGraphs> graphs_;
  std::optional<StreamWatch> watch_;

  std::atomic<bool> lost_{false};
  std::mutex mutex_;
  std::string why_lost_;
  bool reported_ = false;
};

}  // namespace heed::cuda
