#include "addon/solve.h"

#include "addon/arguments.h"
#include "addon/device_operations.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/packed_weight_handle.h"
#include "addon/pin.h"
#include "addon/typed_array.h"
#include "addon/wire/format.h"
#include "cpu/backend.h"

namespace heed {

namespace {

enum class Pinning { none, all };

Loan borrow(Napi::Env env, napi_value buffers, Pinning pinning) {
  const uint32_t count = array_length(env, buffers);
  Loan loan;
  loan.memories.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    const napi_value buffer = array_element(env, buffers, i);
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

Plan plan(std::span<const double> numbers, const Loan& loan) {
  return cpu::plan(read_problems(numbers, loan.memories));
}

constexpr int on_cpu = -1;

}  // namespace

Napi::Value solve_sync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto numbers = numbers_argument(env, info[0], info[1]);
  const int device = info[4].As<Napi::Number>().Int32Value();
  if (device != on_cpu) {
    DeviceOperation operation = solve_on_device(env, numbers, info[2], device, info[5]);
    Environment::of(env).run(std::move(operation.plan), false);
  } else {
    const Loan loan = borrow(env, info[2], Pinning::none);
    Environment::of(env).run(plan(numbers, loan), info[3].ToBoolean().Value());
  }
  return env.Undefined();
}

Napi::Value solve_unfused(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Loan loan = borrow(env, info[2], Pinning::none);
  const auto problems = read_problems(numbers_argument(env, info[0], info[1]), loan.memories);
  const auto* attention = problems.size() == 1 ? std::get_if<AttentionProblem>(&problems[0]) : nullptr;
  if (attention == nullptr || attention->scoring.selection.kind != SelectionKind::soft ||
      attention->scoring.score.kind == ScoreKind::additive)
    throw InvalidProblem("Expected one attention, soft and scored by products");
  Plan plan;
  cpu::plan_unfused(*attention, plan);
  Environment::of(env).run(std::move(plan), false);
  return env.Undefined();
}

Napi::Value solve(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto numbers = numbers_argument(env, info[0], info[1]);
  const int device = info[3].As<Napi::Number>().Int32Value();
  DeviceOperation operation;
  if (device != on_cpu) {
    operation = solve_on_device(env, numbers, info[2], device, info[4]);
  } else {
    operation.loan = borrow(env, info[2], can_pin() ? Pinning::all : Pinning::none);
    operation.plan = plan(numbers, operation.loan);
  }
  return Napi::Number::New(
      env, Environment::of(env).start(env, std::move(operation.plan), std::move(operation.loan), info[5]));
}

Napi::Value cancel(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).cancel(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

}  // namespace heed
