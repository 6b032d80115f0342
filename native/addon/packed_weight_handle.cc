#include "addon/packed_weight_handle.h"

#include "addon/handle.h"
#include "addon/typed_array.h"
#include "addon/wire/reader.h"

namespace heed {

namespace {

constexpr napi_type_tag tag = {0x7d1c0a52e6f94b38, 0x9b64f1d0c3a8e527};

// Reports its memory to V8, so that V8 collects handles before memory runs out.
class Handle {
 public:
  Handle(napi_env env, std::shared_ptr<const PackedWeight> weight) : env_(env), weight_(std::move(weight)) {
    announce(bytes());
  }
  ~Handle() { release(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  const std::shared_ptr<const PackedWeight>& weight() const { return weight_; }

  void release() noexcept {
    if (!weight_) return;
    announce(-bytes());
    weight_.reset();
  }

 private:
  int64_t bytes() const { return static_cast<int64_t>(weight_->byte_length()); }

  // Node-API refuses this only when nothing is collected any more.
  void announce(int64_t change) noexcept {
    int64_t total = 0;
    napi_adjust_external_memory(env_, change, &total);
  }

  napi_env env_;
  std::shared_ptr<const PackedWeight> weight_;
};

Handle& handle_of(napi_env env, napi_value external) {
  Handle* handle = held_by<Handle>(env, external, tag);
  if (handle == nullptr) throw InvalidProblem("Expected a typed array or a packed weight");
  return *handle;
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
  auto weight = cpu::pack_weight(memory.data, type, columns, inner);
  return make_handle(env, tag, std::make_unique<Handle>(env, std::move(weight)));
}

Napi::Value packed_byte_length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           static_cast<double>(packed_weight(info.Env(), info[0])->byte_length()));
}

Napi::Value dispose_weight(const Napi::CallbackInfo& info) {
  handle_of(info.Env(), info[0]).release();
  return info.Env().Undefined();
}

std::shared_ptr<const PackedWeight> packed_weight(Napi::Env env, napi_value external) {
  auto weight = handle_of(env, external).weight();
  if (!weight) throw InvalidProblem("Expected a packed weight that has not been disposed of");
  return weight;
}

}  // namespace heed
