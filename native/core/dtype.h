// Element types that native kernels read and write. Only caches use int8 and float8 (E4M3), whose numbers are
// multiples of a per-row scale.
#pragma once

#include <cstddef>
#include <cstdint>

namespace heed {

enum class DType : uint8_t { float32, float16, bfloat16, boolean, int8, float8 };

constexpr size_t size_of(DType type) {
  switch (type) {
    case DType::float32:
      return 4;
    case DType::float16:
    case DType::bfloat16:
      return 2;
    case DType::boolean:
    case DType::int8:
    case DType::float8:
      return 1;
  }
  return 0;
}

// Whether each row has a scale, which its numbers are multiples of.
constexpr bool is_scaled(DType type) {
  return type == DType::int8 || type == DType::float8;
}

}  // namespace heed
