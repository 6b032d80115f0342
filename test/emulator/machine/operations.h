// The joint operations of a warp's lanes, other than waiting.
#pragma once

#include "machine/block.h"

namespace heed::emulator {

struct ShuffleOperands {
  uint32_t value, source, result;
};
struct BallotOperands {
  bool predicate;
  uint32_t result;
};
struct MultiplyOperands {
  cuda::emulator::MatrixType type;
  float* sums;
  const uint32_t *a, *b;
};
struct MatricesOperands {
  uintptr_t row;
  uint32_t* fragments;
  bool transposed;
};

extern const Operation sync_lanes, shuffle_lanes, vote, multiply_matrices, load_matrices;

}  // namespace heed::emulator
