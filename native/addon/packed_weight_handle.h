// Packed weights as JavaScript holds them: externals, freed when disposed of or collected.
#pragma once

#include <napi.h>

#include <memory>

#include "cpu/backend.h"

namespace heed {

// packWeight(data, type, columns, inner) → external, and for integers, whose types are 4 (int8) and 6 (int4),
// packWeight(values, type, columns, inner, scales, groupSize): see core/quantised_weight.h. For int8 the size
// of groups has no meaning.
Napi::Value pack_weight(const Napi::CallbackInfo& info);
// packedByteLength(external) → number
Napi::Value packed_byte_length(const Napi::CallbackInfo& info);
// disposeWeight(external). The memory is freed once no operation uses it any more.
Napi::Value dispose_weight(const Napi::CallbackInfo& info);

// Throws if the value is not an external from pack_weight or has been disposed of.
std::shared_ptr<const PackedWeight> packed_weight(Napi::Env env, napi_value external);

}  // namespace heed
