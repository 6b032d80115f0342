// Keeps the memory under an ArrayBuffer alive, whatever JavaScript does to the ArrayBuffer.
//
// While an operation computes on other threads, its typed arrays may be transferred to a worker or detached.
// A reference to the ArrayBuffer does not prevent this: the receiver then owns the memory and frees it when
// done. Node-API offers no protection. V8 does: the backing store is a std::shared_ptr, and
// v8::ArrayBuffer::GetBackingStore() returns another reference. An addon that uses only Node-API must not be
// linked against V8, so heed looks up that one function when it is loaded and tests it. If the function is
// missing or has changed, lib/backends/native solves operations synchronously or copies their arrays,
// whichever is faster, and heed needs only Node-API.
#pragma once

#include <node_api.h>

#include <memory>

namespace heed {

// Determines whether pin() works in this process.
void look_for_pins(napi_env env);

bool can_pin();

// The memory lives as long as the pin. Works for memory shared between threads and for other memory.
std::shared_ptr<void> pin(napi_value array_buffer);

}  // namespace heed
