// What is done on devices, as lib/backends/native starts it.
#pragma once

#include <napi.h>

#include <span>

#include "addon/environment.h"

namespace heed {

// Problems on a device, with buffers there and on the host.
struct DeviceOperation {
  Loan loan;
  Plan plan;
};
// solve() and solveSync() with a device: `written` are the indices of the host's arrays that come back.
DeviceOperation solve_on_device(Napi::Env env, std::span<const double> numbers, napi_value buffers,
                                int device, napi_value written);

// enqueue(numbers, length, buffers, device): all buffers are the device's memory, and nothing is waited for.
Napi::Value enqueue(const Napi::CallbackInfo& info);

Napi::Value upload(const Napi::CallbackInfo& info);       // (array, memory, offset, onEnd) → id, as solve()
Napi::Value download(const Napi::CallbackInfo& info);     // (memory, offset, array, onEnd) → id
Napi::Value upload_sync(const Napi::CallbackInfo& info);  // the same, here and now
Napi::Value download_sync(const Napi::CallbackInfo& info);

// cuda() → what there is of CUDA
Napi::Value cuda_description(const Napi::CallbackInfo& info);

}  // namespace heed
