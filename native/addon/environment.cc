#include "addon/environment.h"

#include <utility>

#include "addon/errors.h"
#include "addon/number_reader.h"
#include "cuda/runtime/devices.h"

namespace heed {

Environment::Environment(Napi::Env env, Napi::Function on_end) {
  const auto call = [](napi_env env, napi_value on_end, void* self, void*) {
    // Without an environment this is the queue being emptied at its end.
    if (env != nullptr) static_cast<Environment*>(self)->report(env, Napi::Function(env, on_end));
  };
  check(env, napi_create_threadsafe_function(env, on_end, nullptr, Napi::String::New(env, "heed"), 0, 1,
                                             nullptr, nullptr, this, call, &wake_));
  // Only operations keep the process alive.
  check(env, napi_unref_threadsafe_function(env, wake_));
  // Hooks run in reverse: this one before the thread-safe function goes.
  env.AddCleanupHook([this] { close(); });
}

uint32_t Environment::start(Napi::Env env, Plan plan, Loan loan) {
  const uint32_t id = ++last_id_;
  const auto operation = std::make_shared<Operation>(std::move(plan), [this, id] { ended(id); });
  {
    const std::lock_guard lock(mutex_);
    ended_.reserve(pending_.size() + 1);  // so that a worker thread cannot run out of memory
    ++running_;
  }
  try {
    pending_.emplace(id, Pending{operation, std::move(loan)});
    pool_->submit(operation);
  } catch (...) {
    pending_.erase(id);
    const std::lock_guard lock(mutex_);
    --running_;
    throw;
  }
  if (pending_.size() == 1) napi_ref_threadsafe_function(env, wake_);
  return id;
}

Environment& Environment::of(Napi::Env env) {
  auto* environment = env.GetInstanceData<Environment>();
  if (environment == nullptr) throw InvalidProblem("Expected connect() to have been called");
  return *environment;
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

void Environment::ended(uint32_t id) {
  // Notifying under the lock: once the lock is free, closing may be over and this object gone.
  const std::lock_guard lock(mutex_);
  --running_;
  ended_.push_back(id);
  if (closing_) {
    idle_.notify_all();
  } else if (ended_.size() == 1) {
    // One call for all that end before JavaScript gets to look.
    napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
  }
}

void Environment::report(Napi::Env env, Napi::Function on_end) {
  {
    const std::lock_guard lock(mutex_);
    std::swap(ended_, reporting_);
  }
  for (const uint32_t id : reporting_) {
    const auto node = pending_.extract(id);
    const Operation& operation = *node.mapped().operation;
    try {
      const Napi::HandleScope scope(env);
      const bool failed = operation.error() && !operation.cancelled();
      on_end.Call({Napi::Number::New(env, id),
                   failed ? to_javascript(env, operation.error()).Value() : env.Undefined()});
    } catch (const Napi::Error&) {
      // No JavaScript runs in an environment that is being terminated; nobody waits for the result either.
    }
  }
  reporting_.clear();
  if (pending_.empty()) napi_unref_threadsafe_function(env, wake_);
}

void Environment::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  for (const auto& [id, pending] : pending_) pool_->cancel(pending.operation);
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return running_ == 0; });
  }
  pending_.clear();
  pool_.reset();
  devices_.clear();
}

}  // namespace heed
