#include "addon/pin.h"

#include <dlfcn.h>

#include <atomic>

namespace heed {

namespace {

// A napi_value is the address of a handle's slot, which V8's member functions take as `this`, and a member
// function is called like a free function whose first parameter is `this`. A std::shared_ptr has the same
// layout for every pointee type.
using GetBackingStore = std::shared_ptr<void> (*)(napi_value);
using Data = void* (*)(const void* backing_store);

// The two standard libraries have different shared pointers. The mangled name of a function that takes one
// shows which library V8 was compiled with, and whether heed was compiled with the same one.
#if defined(_LIBCPP_VERSION)
constexpr auto takes_our_pointer =
    "_ZN2v811ArrayBuffer3NewEPNS_7IsolateENSt3__110shared_ptrINS_12BackingStoreEEE";
#else
constexpr auto takes_our_pointer = "_ZN2v811ArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE";
#endif

template <class Function>
Function look_up(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

// Whether the backing store obtained this way is the memory that Node-API reports.
bool gives_the_memory(napi_env env, GetBackingStore get_backing_store) {
  const auto data_of = look_up<Data>("_ZNK2v812BackingStore4DataEv");
  napi_handle_scope scope;
  if (data_of == nullptr || napi_open_handle_scope(env, &scope) != napi_ok) return false;
  napi_value array_buffer;
  void* data = nullptr;
  bool same = false;
  if (napi_create_arraybuffer(env, 64, &data, &array_buffer) == napi_ok) {
    const std::shared_ptr<void> store = get_backing_store(array_buffer);
    same = store.use_count() > 1 && data_of(store.get()) == data;
  }
  napi_close_handle_scope(env, scope);
  return same;
}

std::atomic<GetBackingStore> found = nullptr;

}  // namespace

void look_for_pins(napi_env env) {
  if (look_up<void*>(takes_our_pointer) == nullptr) return;
  const auto get_backing_store = look_up<GetBackingStore>("_ZN2v811ArrayBuffer15GetBackingStoreEv");
  if (get_backing_store != nullptr && gives_the_memory(env, get_backing_store)) found = get_backing_store;
}

bool can_pin() {
  return found != nullptr;
}

std::shared_ptr<void> pin(napi_value array_buffer) {
  return found.load()(array_buffer);
}

}  // namespace heed
