#include "addon/settings.h"

#include <string>

#include "addon/errors.h"
#include "addon/pin.h"
#include "core/thread_pool.h"
#include "cpu/backend.h"

namespace heed {

namespace {

Napi::String name_of(Napi::Env env, cpu::InstructionSet isa) {
  return Napi::String::New(env, std::string(cpu::name_of(isa)));
}

}  // namespace

Napi::Value available_instruction_sets(const Napi::CallbackInfo& info) {
  auto names = Napi::Array::New(info.Env());
  for (const auto isa : cpu::available_instruction_sets())
    names.Set(names.Length(), name_of(info.Env(), isa));
  return names;
}

Napi::Value instruction_set(const Napi::CallbackInfo& info) {
  return name_of(info.Env(), cpu::instruction_set());
}

Napi::Value set_instruction_set(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  for (const auto isa : cpu::available_instruction_sets()) {
    if (cpu::name_of(isa) == name) {
      cpu::set_instruction_set(isa);
      return info.Env().Undefined();
    }
  }
  throw std::invalid_argument("This processor cannot run " + name);
}

Napi::Value threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ThreadPool::shared()->threads());
}

Napi::Value set_threads(const Napi::CallbackInfo& info) {
  ThreadPool::shared()->set_threads(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

Napi::Value pins(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), can_pin());
}

}  // namespace heed
