#pragma once

#include <napi.h>

#include "addon/memory.h"

namespace heed {

// Where a typed array's elements are. False for every other value.
bool read_typed_array(napi_env env, napi_value value, Memory& memory, napi_value& array_buffer);

// Throws for every other value.
Memory typed_array_memory(napi_env env, napi_value value);

}  // namespace heed
