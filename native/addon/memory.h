// Memory that JavaScript lends to an operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "core/problem.h"

namespace heed {

// lib/backends/native sent an invalid problem. The facade rejects invalid arguments, so this is a defect of
// heed; it must not cause an out-of-bounds access.
class InvalidProblem : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// The largest integer that a JavaScript number holds exactly.
constexpr int64_t largest_integer = (int64_t{1} << 53) - 1;

// The longest axis that kernels support.
constexpr int64_t largest_axis = std::numeric_limits<int32_t>::max();

// Wide enough for sums of products of numbers below 2^53.
__extension__ using Wide = __int128;

// A typed array, or a packed weight.
struct Memory {
  void* data = nullptr;
  size_t bytes = 0;
  const PackedWeight* packed = nullptr;
};

}  // namespace heed
