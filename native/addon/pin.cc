#include "addon/pin.h"

#include <dlfcn.h>

namespace heed {

namespace {

// A napi_value is the address of a handle's slot, which is what V8's member functions take for `this`; and a
// member function is called like a free one that takes `this` first. A std::shared_ptr is the same whatever
// it points to.
using GetBackingStore = std::shared_ptr<void> (*)(napi_value);

GetBackingStore look_up() {
  // There are two standard libraries, and their shared pointers differ. The name of a function that takes one
  // tells with which of them V8 was compiled, and whether that is the one that heed was compiled with.
#if defined(_LIBCPP_VERSION)
  constexpr auto takes_our_pointer =
      "_ZN2v811ArrayBuffer3NewEPNS_7IsolateENSt3__110shared_ptrINS_12BackingStoreEEE";
#else
  constexpr auto takes_our_pointer =
      "_ZN2v811ArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE";
#endif
  if (dlsym(RTLD_DEFAULT, takes_our_pointer) == nullptr) return nullptr;
  return reinterpret_cast<GetBackingStore>(dlsym(RTLD_DEFAULT, "_ZN2v811ArrayBuffer15GetBackingStoreEv"));
}

GetBackingStore get_backing_store() {
  static const GetBackingStore found = look_up();
  return found;
}

}  // namespace

bool can_pin() {
  return get_backing_store() != nullptr;
}

std::shared_ptr<void> pin(napi_value array_buffer) {
  return get_backing_store()(array_buffer);
}

}  // namespace heed
