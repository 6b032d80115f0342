#include "addon/environment.h"

#include <utility>

#include "addon/errors.h"
#include "addon/memory.h"
#include "cuda/runtime/devices.h"

namespace heed {

Environment::Environment(napi_env env) : env_(env) {
  const auto report = [](napi_env env, napi_value, void* self, void*) noexcept {
    // Node-API passes no environment when it empties the queue during teardown.
    if (env != nullptr) static_cast<Environment*>(self)->report();
  };
  const auto close = [](void* self) noexcept { static_cast<Environment*>(self)->close(); };
  napi_value name;
  check(env, napi_create_string_utf8(env, "heed", NAPI_AUTO_LENGTH, &name));
  check(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                             report, &wake_));
  // Only pending operations keep the process alive.
  check(env, napi_unref_threadsafe_function(env, wake_));
  // Cleanup hooks run in reverse order: this one runs before the thread-safe function is destroyed.
  check(env, napi_add_env_cleanup_hook(env, close, this));
}

void Environment::begin(napi_env env) {
  const auto free = [](napi_env, void* self, void*) noexcept { delete static_cast<Environment*>(self); };
  // The object is never deleted on failure: a half-finished setup leaves a hook and a thread-safe function
  // that refer to it.
  auto* const environment = new Environment(env);
  check(env, napi_set_instance_data(env, environment, free, nullptr));
}

Environment& Environment::of(napi_env env) {
  void* environment = nullptr;
  check(env, napi_get_instance_data(env, &environment));
  if (environment == nullptr) throw std::logic_error("The addon could not begin in this environment");
  return *static_cast<Environment*>(environment);
}

uint32_t Environment::start(napi_env env, Plan plan, Loan loan, napi_value on_end) {
  const uint32_t id = ++last_id_;
  const auto operation = std::make_shared<Operation>(std::move(plan), [this, id] { ended(id); });
  napi_ref told;
  check(env, napi_create_reference(env, on_end, 1, &told));
  try {
    pending_.emplace(id, Pending{operation, std::move(loan), told});
    {
      const std::lock_guard lock(mutex_);
      ended_.reserve(pending_.size());  // so that a worker thread cannot run out of memory
      ++running_;
    }
    submit(operation);
  } catch (...) {
    pending_.erase(id);
    napi_delete_reference(env, told);
    throw;
  }
  if (pending_.size() == 1) napi_ref_threadsafe_function(env, wake_);
  return id;
}

void Environment::submit(const std::shared_ptr<Operation>& operation) {
  try {
    pool_->submit(operation);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    --running_;
    throw;
  }
}

const std::shared_ptr<cuda::Device>& Environment::device(int index) {
  const auto number = static_cast<size_t>(index);
  if (index < 0 || number >= devices_.size() || devices_[number] == nullptr) {
    auto device = cuda::device(index);
    if (number >= devices_.size()) devices_.resize(number + 1);
    devices_[number] = std::move(device);
  }
  return devices_[number];
}

void Environment::cancel(uint32_t id) {
  const auto found = pending_.find(id);
  if (found != pending_.end()) pool_->cancel(found->second.operation);
}

void Environment::run(Plan plan, bool alone) {
  const auto operation = std::make_shared<Operation>(std::move(plan));
  pool_->run(operation, scratch_, alone);
  if (operation->error()) std::rethrow_exception(operation->error());
}

void Environment::ended(uint32_t id) noexcept {
  // Notifies while holding the lock: once the lock is free, close() may return and this object may be
  // destroyed.
  const std::lock_guard lock(mutex_);
  --running_;
  ended_.push_back(id);
  if (closing_) {
    idle_.notify_all();
  } else if (ended_.size() == 1) {
    // One call reports all operations that end before JavaScript runs.
    napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
  }
}

void Environment::report() noexcept {
  {
    const std::lock_guard lock(mutex_);
    std::swap(ended_, reporting_);
  }
  for (const uint32_t id : reporting_) {
    const auto node = pending_.extract(id);
    report(id, node.mapped());
  }
  reporting_.clear();
  if (pending_.empty()) napi_unref_threadsafe_function(env_, wake_);
}

// An environment that is being terminated runs no JavaScript: it refuses calls, and no one waits for the
// result.
void Environment::report(uint32_t id, const Pending& pending) noexcept {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value on_end, receiver, arguments[2];
  const Operation& operation = *pending.operation;
  const bool failed = operation.error() && !operation.cancelled();
  if (failed) arguments[1] = to_javascript(env_, operation.error());
  const bool ready = napi_get_reference_value(env_, pending.on_end, &on_end) == napi_ok &&
                     napi_get_undefined(env_, &receiver) == napi_ok &&
                     napi_create_uint32(env_, id, &arguments[0]) == napi_ok &&
                     (failed ? arguments[1] != nullptr : napi_get_undefined(env_, &arguments[1]) == napi_ok);
  if (ready && napi_call_function(env_, receiver, on_end, 2, arguments, nullptr) == napi_pending_exception) {
    napi_value exception;
    napi_get_and_clear_last_exception(env_, &exception);
  }
  napi_delete_reference(env_, pending.on_end);
  napi_close_handle_scope(env_, scope);
}

void Environment::close() noexcept {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  for (const auto& [id, pending] : pending_) pool_->cancel(pending.operation);
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return running_ == 0; });
  }
  for (const auto& [id, pending] : pending_) napi_delete_reference(env_, pending.on_end);
  pending_.clear();
  pool_.reset();
  devices_.clear();
}

}  // namespace heed
