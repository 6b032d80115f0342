// Reads the arguments of the addon's functions.
#pragma once

#include <napi.h>

#include <span>

namespace heed {

// The first `length` numbers of the argument. Throws if it holds fewer.
std::span<const double> numbers_argument(Napi::Env env, const Napi::Value& numbers,
                                         const Napi::Value& length);

uint32_t array_length(Napi::Env env, napi_value array);
napi_value array_element(Napi::Env env, napi_value array, uint32_t index);

}  // namespace heed
