// An addon object that JavaScript holds as an external of its own kind. It is freed when collected, at the
// latest with the environment.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/errors.h"

namespace heed {

// The destructor of `Held` must not throw.
template <class Held>
Napi::Value make_handle(napi_env env, const napi_type_tag& tag, std::unique_ptr<Held> held) {
  const auto free = [](napi_env, void* data, void*) noexcept { delete static_cast<Held*>(data); };
  napi_value external;
  check(env, napi_create_external(env, held.get(), free, nullptr, &external));
  static_cast<void>(held.release());  // the external owns it now
  check(env, napi_type_tag_object(env, external, &tag));
  return {env, external};
}

// Null for any value that make_handle() did not create with this tag.
template <class Held>
Held* held_by(napi_env env, napi_value value, const napi_type_tag& tag) {
  bool ours = false;
  void* held = nullptr;
  if (napi_check_object_type_tag(env, value, &tag, &ours) != napi_ok || !ours) return nullptr;
  if (napi_get_value_external(env, value, &held) != napi_ok) return nullptr;
  return static_cast<Held*>(held);
}

}  // namespace heed
