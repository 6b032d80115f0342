// What most tests draw: types, schedules and elements.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "core/dtype.h"
#include "support/half.h"
#include "support/random.h"

namespace heed::emulator {

inline constexpr std::initializer_list<DType> types = {DType::float16, DType::bfloat16, DType::float32};

// The seed of a machine's schedules.
inline uint64_t schedule(test::Random& random) {
  return static_cast<uint64_t>(random.integer(0, INT32_MAX));
}

inline size_t bytes_of(const test::Buffer& buffer) {
  return static_cast<size_t>(buffer.size()) * size_of(buffer.type());
}

}  // namespace heed::emulator
