// Operations, as lib/backends/native starts them.
#pragma once

#include <napi.h>

namespace heed {

// solveSync(numbers, length, buffers, alone, device, written): the first `length` numbers encode problems as
// wire/format.h describes; buffers is an array of typed arrays, packed weights and device memory. `alone`:
// computes on the calling thread only. Device −1 is the CPU; for other devices, `written` lists the indices
// of the typed arrays that the operation changes.
Napi::Value solve_sync(const Napi::CallbackInfo& info);
// solve(numbers, length, buffers, device, written, onEnd) → id. onEnd(id, error) is called when the operation
// ends.
Napi::Value solve(const Napi::CallbackInfo& info);
// solveUnfused(numbers, length, buffers): computes a single attention with whole score matrices, on the CPU.
Napi::Value solve_unfused(const Napi::CallbackInfo& info);
// cancel(id). The operation ends as usual, only sooner.
Napi::Value cancel(const Napi::CallbackInfo& info);

}  // namespace heed
