#include "addon/typed_array.h"

namespace heed {

namespace {

// Rejects types that a later Node may add, whose element size is unknown here.
size_t element_size(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return 1;
    case napi_int16_array:
    case napi_uint16_array:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:
      return 0;
  }
}

}  // namespace

bool read_typed_array(napi_env env, napi_value value, Memory& memory, napi_value& array_buffer) {
  napi_typedarray_type type;
  size_t length;
  size_t offset;
  // This single call returns all fields; it fails for values that are not typed arrays.
  if (napi_get_typedarray_info(env, value, &type, &length, &memory.data, &array_buffer, &offset) != napi_ok)
    return false;
  memory.bytes = length * element_size(type);
  return true;
}

Memory typed_array_memory(napi_env env, napi_value value) {
  Memory memory;
  napi_value array_buffer;
  if (!read_typed_array(env, value, memory, array_buffer)) throw InvalidProblem("Expected a typed array");
  return memory;
}

}  // namespace heed
