// The operations in progress in one Node environment (the main thread or a worker_thread).
#pragma once

#include <napi.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "addon/memory.h"
#include "core/thread_pool.h"
#include "cuda/runtime/device.h"

namespace heed {

// Keeps the memory of an operation's buffers alive while it runs.
struct Loan {
  std::vector<Memory> memories;
  std::vector<std::shared_ptr<const void>> held;
};

class Environment {
 public:
  // Node calls this when it loads the addon. The object lives until Node-API unloads this instance of the
  // addon.
  static void begin(napi_env env);
  static Environment& of(napi_env env);
  ~Environment() = default;
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Returns the operation's id. on_end(id, error) is called on the JavaScript thread when the operation has
  // ended; error is undefined on success or cancellation. Every operation has its own on_end, because the
  // JavaScript of heed may be loaded several times in one environment.
  uint32_t start(napi_env env, Plan plan, Loan loan, napi_value on_end);
  void cancel(uint32_t id);
  // Computes synchronously, with or without the pool's threads. Rethrows the exception of a task.
  void run(Plan plan, bool alone);
  // Holds the device until the environment ends, so that a compute thread never releases the last reference.
  const std::shared_ptr<cuda::Device>& device(int index);

 private:
  struct Pending {
    std::shared_ptr<Operation> operation;
    Loan loan;
    napi_ref on_end;
  };

  explicit Environment(napi_env env);

  void submit(const std::shared_ptr<Operation>& operation);
  void ended(uint32_t id) noexcept;  // called on any thread
  void report() noexcept;
  void report(uint32_t id, const Pending& pending) noexcept;
  void close() noexcept;

  napi_env env_;

  std::shared_ptr<ThreadPool> pool_ = ThreadPool::shared();
  Scratch scratch_;
  std::vector<std::shared_ptr<cuda::Device>> devices_;  // by number; null until first used

  // Accessed on the JavaScript thread only.
  std::unordered_map<uint32_t, Pending> pending_;
  std::vector<uint32_t> reporting_;
  uint32_t last_id_ = 0;

  std::mutex mutex_;
  std::condition_variable idle_;
  napi_threadsafe_function wake_ = nullptr;
  std::vector<uint32_t> ended_;
  size_t running_ = 0;
  bool closing_ = false;
};

}  // namespace heed
