#include "addon/errors.h"

#include <new>
#include <string>

#include "cuda/runtime/errors.h"
#include "cuda/unsupported.h"

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
  }
}

void check(Napi::Env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace heed
