#include "addon/errors.h"

#include <new>

namespace heed {

namespace {

Napi::Error make(Napi::Env env, const char* code, const char* message) {
  auto error = Napi::Error::New(env, message);
  error.Set("code", code);
  return error;
}

}  // namespace

Napi::Error to_javascript(Napi::Env env, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    return make(env, "HEED_OUT_OF_MEMORY", "Not enough memory for the work in progress");
  } catch (const std::exception& exception) {
    return make(env, "HEED_NATIVE", exception.what());
  }
}

void check(Napi::Env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace heed
