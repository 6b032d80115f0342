#include "addon/solve.h"

#include "addon/decode.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/packed_weight_handle.h"
#include "addon/pin.h"
#include "addon/typed_array.h"

namespace heed {

namespace {

enum class Pinning { none, all };

Environment& environment(const Napi::CallbackInfo& info) {
  auto* environment = info.Env().GetInstanceData<Environment>();
  if (environment == nullptr) throw InvalidProblem("Expected connect() to have been called");
  return *environment;
}

Loan borrow(Napi::Env env, napi_value buffers, Pinning pinning) {
  uint32_t count = 0;
  check(env, napi_get_array_length(env, buffers, &count));
  Loan loan;
  loan.memories.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    napi_value buffer;
    check(env, napi_get_element(env, buffers, i, &buffer));
    Memory& memory = loan.memories[i];
    napi_value array_buffer;
    if (!read_typed_array(env, buffer, memory, array_buffer)) {
      auto weight = packed_weight(env, buffer);
      memory.packed = weight.get();
      loan.held.push_back(std::move(weight));
    } else if (pinning == Pinning::all) {
      loan.held.push_back(pin(array_buffer));
    }
  }
  return loan;
}

Plan plan(const Napi::CallbackInfo& info, const Loan& loan) {
  const Memory numbers = typed_array_memory(info.Env(), info[0]);
  const auto length = static_cast<size_t>(info[1].As<Napi::Number>().Uint32Value());
  if (length > static_cast<size_t>(capacity(numbers, DType::float32)) / 2) {
    throw InvalidProblem("Expected the numbers to be as many as announced");
  }
  return decode({static_cast<const double*>(numbers.data), length}, loan.memories);
}

}  // namespace

Napi::Value solve_sync(const Napi::CallbackInfo& info) {
  const Loan loan = borrow(info.Env(), info[2], Pinning::none);
  environment(info).run(plan(info, loan), info[3].ToBoolean().Value());
  return info.Env().Undefined();
}

Napi::Value solve(const Napi::CallbackInfo& info) {
  Loan loan = borrow(info.Env(), info[2], can_pin() ? Pinning::all : Pinning::none);
  Plan steps = plan(info, loan);
  return Napi::Number::New(info.Env(),
                           environment(info).start(info.Env(), std::move(steps), std::move(loan)));
}

Napi::Value cancel(const Napi::CallbackInfo& info) {
  environment(info).cancel(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

}  // namespace heed
