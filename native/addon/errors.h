// C++ exceptions on their way to JavaScript: errors with a code, from which lib/native makes a HeedError.
#pragma once

#include <napi.h>

#include <exception>

namespace heed {

Napi::Error to_javascript(Napi::Env env, const std::exception_ptr& error);

// Throws where a Node-API call failed.
void check(Napi::Env env, napi_status status);

// The callback of an exported function. heed compiles with C++ exceptions: decoding and allocating throw
// anyway, and this is the one place where they must not get any further.
template <Napi::Value (*callback)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return callback(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_javascript(info.Env(), std::current_exception());
  }
}

}  // namespace heed
