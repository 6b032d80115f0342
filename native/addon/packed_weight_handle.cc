#include "addon/packed_weight_handle.h"

#include <algorithm>

#include "addon/handle.h"
#include "addon/typed_array.h"
#include "addon/wire/reader.h"

namespace heed {

namespace {

// The most elements of int4 that share a scale.
constexpr int64_t largest_group = 4096;

constexpr napi_type_tag weight_tag = {0x7d1c0a52e6f94b38, 0x9b64f1d0c3a8e527};

// Reports its memory to V8, so that V8 collects handles before memory runs out.
class WeightHandle {
 public:
  WeightHandle(napi_env env, std::shared_ptr<const PackedWeight> weight)
      : env_(env), weight_(std::move(weight)) {
    announce(bytes());
  }
  ~WeightHandle() { release(); }
  WeightHandle(const WeightHandle&) = delete;
  WeightHandle& operator=(const WeightHandle&) = delete;

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

WeightHandle& weight_handle_of(napi_env env, napi_value external) {
  WeightHandle* handle = held_by<WeightHandle>(env, external, weight_tag);
  if (handle == nullptr) throw InvalidProblem("Expected a typed array or a packed weight");
  return *handle;
}

constexpr auto code_of_int8 = static_cast<uint32_t>(DType::int8);
constexpr uint32_t code_of_int4 = static_cast<uint32_t>(DType::float8) + 1;  // only weights have this type

std::unique_ptr<const PackedWeight> pack_integers(const Memory& values, uint32_t code, int64_t columns,
                                                  int64_t inner, const Memory& scales, int64_t group_size) {
  const bool bytes = code == code_of_int8;
  if (bytes) {
    group_size = std::max<int64_t>(inner, 1);
  } else if (group_size < 8 || group_size % 8 != 0 || group_size > largest_group) {
    throw InvalidProblem("Expected groups of a multiple of 8 elements, up to 4096");
  }
  const QuantisedWeight weight{
      .type = bytes ? QuantisedWeight::Type::int8 : QuantisedWeight::Type::int4,
      .columns = columns,
      .inner = inner,
      .group_size = group_size,
      .values = static_cast<const uint8_t*>(values.data),
      .scales = static_cast<const float*>(scales.data),
  };
  const int64_t row = bytes ? inner : inner / 2 + inner % 2;
  if (static_cast<Wide>(columns) * row > capacity(values, DType::int8) ||
      static_cast<Wide>(columns) * weight.groups() > capacity(scales, DType::float32)) {
    throw InvalidProblem("Expected the weight to hold all elements and scales");
  }
  return cpu::pack_weight(weight);
}

}  // namespace

Napi::Value pack_weight(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Memory memory = typed_array_memory(env, info[0]);
  const uint32_t code = info[1].As<Napi::Number>().Uint32Value();
  const int64_t columns = info[2].As<Napi::Number>().Int64Value();
  const int64_t inner = info[3].As<Napi::Number>().Int64Value();
  if (columns < 0 || inner < 0) throw InvalidProblem("Expected the weight to have dims");
  std::unique_ptr<const PackedWeight> weight;
  if (code == code_of_int8 || code == code_of_int4) {
    weight = pack_integers(memory, code, columns, inner, typed_array_memory(env, info[4]),
                           info[5].As<Napi::Number>().Int64Value());
  } else {
    const auto type = static_cast<DType>(code);
    if (code >= static_cast<uint32_t>(DType::boolean) ||
        static_cast<Wide>(columns) * inner > capacity(memory, type)) {
      throw InvalidProblem("Expected the weight to hold all elements");
    }
    weight = cpu::pack_weight(memory.data, type, columns, inner);
  }
  return make_handle(env, weight_tag, std::make_unique<WeightHandle>(env, std::move(weight)));
}

Napi::Value packed_byte_length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           static_cast<double>(packed_weight(info.Env(), info[0])->byte_length()));
}

Napi::Value dispose_weight(const Napi::CallbackInfo& info) {
  weight_handle_of(info.Env(), info[0]).release();
  return info.Env().Undefined();
}

std::shared_ptr<const PackedWeight> packed_weight(Napi::Env env, napi_value external) {
  auto weight = weight_handle_of(env, external).weight();
  if (!weight) throw InvalidProblem("Expected a packed weight that has not been disposed of");
  return weight;
}

}  // namespace heed
