// Device memory as JavaScript holds it: externals, freed when disposed of or collected.
#pragma once

#include <napi.h>

#include <memory>

#include "cuda/runtime/device.h"

namespace heed {

struct DeviceMemory {
  std::shared_ptr<cuda::Device> device;
  cuda::DeviceBlock block;
};

// The memory behind an external from allocateOnDevice(), or null for any other value. Throws if it has been
// disposed of.
std::shared_ptr<DeviceMemory> read_device_memory(Napi::Env env, napi_value value);
// Like read_device_memory, but throws for any other value.
std::shared_ptr<DeviceMemory> device_memory(Napi::Env env, napi_value value);

Napi::Value allocate_on_device(const Napi::CallbackInfo& info);     // (device, bytes) → external
Napi::Value dispose_device_memory(const Napi::CallbackInfo& info);  // (external)
Napi::Value clear_device_memory(const Napi::CallbackInfo& info);    // (external)
// (from, fromOffset, to, toOffset, bytes, rows, fromPitch, toPitch)
Napi::Value copy_on_device(const Napi::CallbackInfo& info);
Napi::Value device_memory_statistics(const Napi::CallbackInfo& info);  // (device) → bytes of each kind
Napi::Value set_device_memory_limit(const Napi::CallbackInfo& info);   // (device, bytes)
Napi::Value trim_device_memory(const Napi::CallbackInfo& info);        // (device)

}  // namespace heed
