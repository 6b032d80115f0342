// Element types that native kernels read and write. int8 is for caches alone: numbers are multiples of a
// scale that each row has for itself.
#pragma once

#include <cstddef>
#include <cstdint>

namespace heed {

enum class DType : uint8_t { float32, float16, bfloat16, boolean, int8 };

constexpr size_t size_of(DType type) {
  switch (type) {
    case DType::float32:
      return 4;
    case DType::float16:
    case DType::bfloat16:
      return 2;
    case DType::boolean:
    case DType::int8:
      return 1;
  }
  return 0;
}

}  // namespace heed
