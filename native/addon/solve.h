// Operations, as lib/backends/native starts them.
#pragma once

#include <napi.h>

namespace heed {

// solveSync(numbers, length, buffers, alone, device, written): the first `length` of the numbers are problems
// as wire/format.h describes them, buffers is an array of typed arrays, packed weights and memory of the
// device. `alone`: on the calling thread only. Device −1 is the CPU; elsewhere, `written` are the indices of
// the typed arrays that come back changed.
Napi::Value solve_sync(const Napi::CallbackInfo& info);
// solve(numbers, length, buffers, device, written, onEnd) → id. onEnd(id, error) is called in the end.
Napi::Value solve(const Napi::CallbackInfo& info);
// solveUnfused(numbers, length, buffers): a single attention, by way of whole score matrices, on the CPU.
Napi::Value solve_unfused(const Napi::CallbackInfo& info);
// cancel(id). The operation still ends the usual way, only sooner.
Napi::Value cancel(const Napi::CallbackInfo& info);

}  // namespace heed
