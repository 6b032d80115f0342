#include "addon/packed_weight_handle.h"

#include "addon/decode.h"
#include "addon/errors.h"
#include "addon/typed_array.h"

namespace heed {

namespace {

constexpr napi_type_tag tag = {0x7d1c0a52e6f94b38, 0x9b64f1d0c3a8e527};

// Tells V8 of the memory, so that it collects handles before the memory runs out.
class Handle {
 public:
  Handle(Napi::Env env, std::shared_ptr<const PackedWeight> weight) : weight_(std::move(weight)) {
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes());
  }

  const std::shared_ptr<const PackedWeight>& weight() const { return weight_; }

  void release(Napi::Env env) {
    if (!weight_) return;
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes());
    weight_.reset();
  }

 private:
  int64_t bytes() const { return static_cast<int64_t>(weight_->byte_length()); }

  std::shared_ptr<const PackedWeight> weight_;
};

Handle& handle_of(Napi::Env env, napi_value external) {
  bool ours = false;
  if (napi_check_object_type_tag(env, external, &tag, &ours) != napi_ok || !ours) {
    throw InvalidProblem("Expected a typed array or a packed weight");
  }
  return *Napi::External<Handle>(env, external).Data();
}

}  // namespace

Napi::Value pack_weight(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Memory memory = typed_array_memory(env, info[0]);
  const auto type = static_cast<DType>(info[1].As<Napi::Number>().Uint32Value());
  const int64_t columns = info[2].As<Napi::Number>().Int64Value();
  const int64_t inner = info[3].As<Napi::Number>().Int64Value();
  if (type >= DType::boolean || columns < 0 || inner < 0 ||
      static_cast<Wide>(columns) * inner > capacity(memory, type)) {
    throw InvalidProblem("Expected the weight to hold all elements");
  }
  auto handle = std::make_unique<Handle>(env, cpu::pack_weight(memory.data, type, columns, inner));
  const auto external = Napi::External<Handle>::New(env, handle.get(), [](Napi::Env env, Handle* handle) {
    handle->release(env);
    delete handle;
  });
  static_cast<void>(handle.release());  // it is the External's now
  check(env, napi_type_tag_object(env, external, &tag));
  return external;
}

Napi::Value packed_byte_length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           static_cast<double>(packed_weight(info.Env(), info[0])->byte_length()));
}

Napi::Value dispose_weight(const Napi::CallbackInfo& info) {
  handle_of(info.Env(), info[0]).release(info.Env());
  return info.Env().Undefined();
}

std::shared_ptr<const PackedWeight> packed_weight(Napi::Env env, napi_value external) {
  auto weight = handle_of(env, external).weight();
  if (!weight) throw InvalidProblem("Expected a packed weight that has not been disposed of");
  return weight;
}

}  // namespace heed
