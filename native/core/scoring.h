// How scores become weights and how a selection uses them: everything about attention except its tensors.
// Plain structs, so that kernels compiled for one instruction set, and those of a GPU, may include them.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/view.h"

namespace heed {

// One contiguous matrix per head, or one for all heads if the stride is 0.
struct HeadMatrix {
  const void* data = nullptr;
  DType type = DType::float32;
  int64_t head_stride = 0;
};

enum class ScoreKind : uint8_t {
  product,   // q·k
  cosine,    // q·k / (‖q‖ ‖k‖), 0 if either is all zeros
  general,   // qᵀ W k, W [query_width, key_width] per query head
  location,  // q·k over keys that all sequences share: key j is step j of the key view
  additive   // vᵀ tanh(W q + U k), W [hidden, query_width] and v [hidden] per query head, U [hidden,
             // key_width] per key head
};

// How a query and a key are compared: the score function and its learned parameters.
struct Score {
  ScoreKind kind = ScoreKind::product;
  HeadMatrix weight;   // W of general and additive scores
  int64_t hidden = 0;  // of additive scores, with U and v
  HeadMatrix key, vector;
};

// An unbounded side ends beyond every key; sums with positions do not overflow.
constexpr int64_t unbounded = int64_t{1} << 60;

// A row at position p may attend keys p − left … p + right. Causal attention has a right side of 0.
struct KeyWindow {
  int64_t left = unbounded;
  int64_t right = unbounded;
};

enum class SelectionKind : uint8_t {
  soft,   // the weighted sum of all values
  hard,   // the value of the best key, the first of several
  drawn,  // the value of a key drawn from the weights
  local   // weights times a Gaussian around each query's own center, in a window around it
};

// Key positions, as real numbers. A stride is 0 along every axis that they broadcast.
struct Centers {
  const void* data = nullptr;
  DType type = DType::float32;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t query_stride = 0;
};

// The key of each row of [batch, heads, queries], −1 for none; a double holds these numbers exactly.
struct Choices {
  double* data = nullptr;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
};

// How the weights are used.
struct Selection {
  SelectionKind kind = SelectionKind::soft;
  uint64_t seed = 0;
  Centers centers;
  double half_width = 0;
  Choices choices;  // where the keys of a hard selection are written; null unless requested

  bool is_hard() const { return kind == SelectionKind::hard || kind == SelectionKind::drawn; }
};

struct Scoring {
  Score score;
  float scale = 1;
  float softcap = 0;  // 0: scores are not capped
  KeyWindow window;
  MaskView mask;                        // data is null without a mask
  const float* alibi_slopes = nullptr;  // one per query head, for all batch entries or each; or null
  int64_t alibi_batch_stride = 0;       // 0 if the entries share their slopes
  bool alibi_absolute = false;          // slope · −|distance| is added, not slope · distance
  const float* sinks = nullptr;         // one per query head, or null
  Selection selection;
};

// The lists with one number per query head (alibi_slopes also per batch entry), in the order of headNumbers
// in lib/problem/problem.ts.
using HeadNumbers = const float* Scoring::*;
constexpr HeadNumbers head_numbers[] = {&Scoring::alibi_slopes, &Scoring::sinks};

}  // namespace heed
