// Operations on devices, as lib/backends/native starts them.
#pragma once

#include <napi.h>

#include <span>

#include "addon/environment.h"

namespace heed {

// Problems on a device, whose buffers are on the device or on the host.
struct DeviceOperation {
  Loan loan;
  Plan plan;
};
// solve() and solveSync() on a device: `written` lists the indices of the host arrays that are copied back.
DeviceOperation solve_on_device(Napi::Env env, std::span<const double> numbers, napi_value buffers,
                                int device, napi_value written);

// enqueue(numbers, length, buffers, device): all buffers are device memory, and the call does not wait for
// the result.
Napi::Value enqueue(const Napi::CallbackInfo& info);

Napi::Value upload(const Napi::CallbackInfo& info);       // (array, memory, offset, onEnd) → id, as solve()
Napi::Value download(const Napi::CallbackInfo& info);     // (memory, offset, array, onEnd) → id
Napi::Value upload_sync(const Napi::CallbackInfo& info);  // the same, synchronously
Napi::Value download_sync(const Napi::CallbackInfo& info);

// cuda() → a description of CUDA support and devices
Napi::Value cuda_description(const Napi::CallbackInfo& info);

}  // namespace heed
