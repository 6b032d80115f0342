// How alike a query and a key are: the function, and what it has learnt. Plain structs, so that kernels
// compiled for one instruction set may include them.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace heed {

// A matrix for each head, contiguous, or one for all where the stride is 0.
struct HeadMatrix {
  const void* data = nullptr;
  DType type = DType::float32;
  int64_t head_stride = 0;
};

enum class ScoreKind : uint8_t {
  product,   // q·k
  cosine,    // q·k / (‖q‖ ‖k‖), 0 where either is all zeros
  general,   // qᵀ W k, W [query_width, width] per query head
  location,  // q·k over keys that every sequence has in common: key j is step j of the key view
  additive   // vᵀ tanh(W q + U k), W [hidden, query_width] and v [hidden] per query head, U [hidden, width]
             // per key head
};

struct Score {
  ScoreKind kind = ScoreKind::product;
  HeadMatrix weight;   // W of general and additive
  int64_t hidden = 0;  // of additive, with U and v
  HeadMatrix key, vector;
};

}  // namespace heed
