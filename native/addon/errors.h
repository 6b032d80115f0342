// Converts C++ exceptions to JavaScript errors with a code, from which lib/backends/native makes a HeedError.
//
// Every callback that Node calls is noexcept and is made here or in the same way. An environment that is
// being terminated may refuse to throw or to call at any moment: the resulting C++ exception then has no
// receiver, and would end the process if it reached Node.
#pragma once

#include <napi.h>

#include <exception>

namespace heed {

// The error as a value, or null if JavaScript can no longer hold one.
napi_value to_javascript(napi_env env, const std::exception_ptr& error) noexcept;

// Sets the error as pending; JavaScript throws it when the callback returns.
void throw_in_javascript(napi_env env, const std::exception_ptr& error) noexcept;

// Throws if a Node-API call failed.
void check(napi_env env, napi_status status);

// The callback of an exported function. Reading problems, allocating and node-addon-api throw C++ exceptions;
// this function catches all of them.
template <Napi::Value (*callback)(const Napi::CallbackInfo&)>
napi_value exported(napi_env env, napi_callback_info info) noexcept {
  try {
    return callback(Napi::CallbackInfo(env, info));
  } catch (...) {
    throw_in_javascript(env, std::current_exception());
    return nullptr;
  }
}

}  // namespace heed
