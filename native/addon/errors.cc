#include "addon/errors.h"

#include <new>
#include <string>

#include "cuda/runtime/errors.h"
#include "cuda/unsupported.h"

namespace heed {

namespace {

// Uses Node-API directly: node-addon-api would throw if a call is refused.
napi_value make(napi_env env, const char* code, const char* message) {
  napi_value code_value, message_value, error;
  const bool made = napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &code_value) == napi_ok &&
                    napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &message_value) == napi_ok &&
                    napi_create_error(env, code_value, message_value, &error) == napi_ok;
  return made ? error : nullptr;
}

napi_value value_of(napi_env env, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Napi::Error& exception) {
    return exception.Value();
  } catch (const cuda::OutOfDeviceMemory& exception) {
    return make(env, "HEED_OUT_OF_MEMORY", exception.what());
  } catch (const cuda::NoDevice& exception) {
    return make(env, "HEED_NO_CUDA", exception.what());
  } catch (const cuda::Unsupported& exception) {
    return make(env, "HEED_UNSUPPORTED", (std::string(exception.what()) + "; use backend 'cpu'").c_str());
  } catch (const cuda::DeviceLost& exception) {
    return make(env, "HEED_DEVICE_LOST", exception.what());
  } catch (const cuda::LaunchError& exception) {
    return make(env, "HEED_DEVICE", exception.what());
  } catch (const std::bad_alloc&) {
    return make(env, "HEED_OUT_OF_MEMORY", "Not enough memory for the work in progress");
  } catch (const std::exception& exception) {
    return make(env, "HEED_NATIVE", exception.what());
  } catch (...) {
    return make(env, "HEED_NATIVE", "An exception of unknown type");
  }
}

}  // namespace

napi_value to_javascript(napi_env env, const std::exception_ptr& error) noexcept {
  try {
    return value_of(env, error);
  } catch (...) {
    return nullptr;
  }
}

void throw_in_javascript(napi_env env, const std::exception_ptr& error) noexcept {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || pending) return;
  const napi_value value = to_javascript(env, error);
  if (value != nullptr) napi_throw(env, value);
}

void check(napi_env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace heed
