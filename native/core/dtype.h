// Element types that native kernels read and write.
#pragma once

#include <cstddef>
#include <cstdint>

namespace heed {

enum class DType : uint8_t { float32, float16, bfloat16, boolean };

constexpr size_t size_of(DType type) {
  switch (type) {
    case DType::float32:
      return 4;
    case DType::float16:
    case DType::bfloat16:
      return 2;
    case DType::boolean:
      return 1;
  }
  return 0;
}

}  // namespace heed
