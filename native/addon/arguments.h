// What functions of the addon are given.
#pragma once

#include <napi.h>

#include <span>

namespace heed {

// The first `length` of some numbers. Throws where there are not as many.
std::span<const double> numbers_argument(Napi::Env env, const Napi::Value& numbers,
                                         const Napi::Value& length);

uint32_t array_length(Napi::Env env, napi_value array);
napi_value array_element(Napi::Env env, napi_value array, uint32_t index);

}  // namespace heed
