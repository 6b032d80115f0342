// The exports of the addon. lib/backends/native/addon.ts describes them in TypeScript.
#include <napi.h>

#include "addon/device_memory.h"
#include "addon/device_operations.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/packed_weight_handle.h"
#include "addon/pin.h"
#include "addon/settings.h"
#include "addon/solve.h"

namespace heed {

namespace {

void define(napi_env env, napi_value exports) {
  napi_value version;
  check(env, napi_create_string_utf8(env, HEED_VERSION, NAPI_AUTO_LENGTH, &version));
  check(env, napi_set_named_property(env, exports, "version", version));
  const auto add = [&](const char* name, napi_callback callback) {
    napi_value function;
    check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function));
    check(env, napi_set_named_property(env, exports, name, function));
  };
  add("solve", exported<solve>);
  add("solveSync", exported<solve_sync>);
  add("solveUnfused", exported<solve_unfused>);
  add("cancel", exported<cancel>);
  add("packWeight", exported<pack_weight>);
  add("packedByteLength", exported<packed_byte_length>);
  add("disposeWeight", exported<dispose_weight>);
  add("cuda", exported<cuda_description>);
  add("enqueue", exported<enqueue>);
  add("upload", exported<upload>);
  add("uploadSync", exported<upload_sync>);
  add("download", exported<download>);
  add("downloadSync", exported<download_sync>);
  add("allocateOnDevice", exported<allocate_on_device>);
  add("disposeDeviceMemory", exported<dispose_device_memory>);
  add("clearDeviceMemory", exported<clear_device_memory>);
  add("copyOnDevice", exported<copy_on_device>);
  add("deviceMemoryStatistics", exported<device_memory_statistics>);
  add("setDeviceMemoryLimit", exported<set_device_memory_limit>);
  add("trimDeviceMemory", exported<trim_device_memory>);
  add("availableInstructionSets", exported<available_instruction_sets>);
  add("instructionSet", exported<instruction_set>);
  add("setInstructionSet", exported<set_instruction_set>);
  add("threads", exported<threads>);
  add("setThreads", exported<set_threads>);
  add("pins", exported<pins>);
}

}  // namespace

}  // namespace heed

NAPI_MODULE_INIT() {
  try {
    heed::look_for_pins(env);
    heed::Environment::begin(env);
    heed::define(env, exports);
  } catch (...) {
    heed::throw_in_javascript(env, std::current_exception());
  }
  return exports;
}
