// Keeps the memory under an ArrayBuffer alive, whatever JavaScript does to the ArrayBuffer.
//
// While an operation computes on other threads, its typed arrays may be transferred to a worker or detached.
// Holding a reference to the ArrayBuffer does not help then: the memory belongs to whoever received it, and
// goes when that one is done with it. Node-API has nothing against this. V8 has: the backing store is a
// std::shared_ptr, and v8::ArrayBuffer::GetBackingStore() gives another one. An addon that speaks Node-API
// only must not be linked against V8, so that one function is looked up when heed is loaded, and tried. Where
// it is missing or is not what it was, lib/backends/native solves operations at once or copies, whichever is
// sooner: heed needs nothing but Node-API then.
#pragma once

#include <node_api.h>

#include <memory>

namespace heed {

// Finds out whether pin() works in this process.
void look_for_pins(napi_env env);

bool can_pin();

// The memory stays as long as the pin does. For memory shared between threads as well as for other memory.
std::shared_ptr<void> pin(napi_value array_buffer);

}  // namespace heed
