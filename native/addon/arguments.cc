#include "addon/arguments.h"

#include "addon/errors.h"
#include "addon/typed_array.h"
#include "addon/wire/reader.h"

namespace heed {

std::span<const double> numbers_argument(Napi::Env env, const Napi::Value& numbers,
                                         const Napi::Value& length) {
  const Memory memory = typed_array_memory(env, numbers);
  const auto count = static_cast<size_t>(length.As<Napi::Number>().Uint32Value());
  if (count > static_cast<size_t>(capacity(memory, DType::float32)) / 2) {
    throw InvalidProblem("Expected the numbers to be as many as announced");
  }
  return {static_cast<const double*>(memory.data), count};
}

uint32_t array_length(Napi::Env env, napi_value array) {
  uint32_t count = 0;
  check(env, napi_get_array_length(env, array, &count));
  return count;
}

napi_value array_element(Napi::Env env, napi_value array, uint32_t index) {
  napi_value element;
  check(env, napi_get_element(env, array, index, &element));
  return element;
}

}  // namespace heed
