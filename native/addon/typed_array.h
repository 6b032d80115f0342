#pragma once

#include <napi.h>

#include "addon/memory.h"

namespace heed {

// Reads where a typed array's elements are. Returns false for any other value.
bool read_typed_array(napi_env env, napi_value value, Memory& memory, napi_value& array_buffer);

// Like read_typed_array, but throws for any other value.
Memory typed_array_memory(napi_env env, napi_value value);

}  // namespace heed
