// The exports of the addon. lib/native/addon.ts describes them in TypeScript.
#include <napi.h>

#include "addon/device_memory.h"
#include "addon/device_operations.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/packed_weight_handle.h"
#include "addon/settings.h"
#include "addon/solve.h"

namespace heed {

namespace {

// connect(onEnd): has to come first, once. onEnd(id, error) is called after each operation of solve().
Napi::Value connect(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (env.GetInstanceData<Environment>() != nullptr)
    throw std::logic_error("Expected connect() to be called once");
  env.SetInstanceData(new Environment(env, info[0].As<Napi::Function>()));
  return env.Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, auto callback) {
    exports.Set(name, Napi::Function::New(env, callback, name));
  };
  add("connect", guarded<connect>);
  add("solve", guarded<solve>);
  add("solveSync", guarded<solve_sync>);
  add("cancel", guarded<cancel>);
  add("packWeight", guarded<pack_weight>);
  add("packedByteLength", guarded<packed_byte_length>);
  add("disposeWeight", guarded<dispose_weight>);
  add("cuda", guarded<cuda_description>);
  add("enqueue", guarded<enqueue>);
  add("upload", guarded<upload>);
  add("uploadSync", guarded<upload_sync>);
  add("download", guarded<download>);
  add("downloadSync", guarded<download_sync>);
  add("allocateOnDevice", guarded<allocate_on_device>);
  add("disposeDeviceMemory", guarded<dispose_device_memory>);
  add("clearDeviceMemory", guarded<clear_device_memory>);
  add("copyOnDevice", guarded<copy_on_device>);
  add("deviceMemoryStatistics", guarded<device_memory_statistics>);
  add("setDeviceMemoryLimit", guarded<set_device_memory_limit>);
  add("trimDeviceMemory", guarded<trim_device_memory>);
  add("availableInstructionSets", guarded<available_instruction_sets>);
  add("instructionSet", guarded<instruction_set>);
  add("setInstructionSet", guarded<set_instruction_set>);
  add("threads", guarded<threads>);
  add("setThreads", guarded<set_threads>);
  add("pins", guarded<pins>);
  return exports;
}

}  // namespace

}  // namespace heed

// The name is Node-API's: this is how the macro refers to its function.
static Napi::Object init(Napi::Env env, Napi::Object exports) {
  return heed::initialize(env, exports);
}
NODE_API_MODULE(heed, init)
