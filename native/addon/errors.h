// C++ exceptions on their way to JavaScript: errors with a code, from which lib/backends/native makes a
// HeedError.
//
// Whatever Node calls is noexcept and made here or like here. In an environment that is being terminated,
// Node-API refuses to throw and to call, at any moment: a C++ exception that came of that has nobody left to
// be told of, and one that got as far as Node would end the process.
#pragma once

#include <napi.h>

#include <exception>

namespace heed {

// The error as a value, or null where JavaScript has no way to hold one any more.
napi_value to_javascript(napi_env env, const std::exception_ptr& error) noexcept;

// Leaves the error to be thrown once the callback returns.
void throw_in_javascript(napi_env env, const std::exception_ptr& error) noexcept;

// Throws where a Node-API call failed.
void check(napi_env env, napi_status status);

// What Node calls for an exported function. Reading problems and allocating throw C++ exceptions, and so does
// node-addon-api: they get no further than this.
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
