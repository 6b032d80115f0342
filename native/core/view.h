// How problems describe memory. Plain structs, so that kernels compiled for one instruction set may include
// them.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/pages.h"

namespace heed {

// A strided view of [batch, heads, steps, width]; the width is contiguous. Strides count elements.
template <class Pointer>
struct BasicView {
  Pointer data = nullptr;
  DType type = DType::float32;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t step_stride = 0;
  const Pages* pages = nullptr;  // of a cache: data is then null, and there is no stride between entries
};
using View = BasicView<const void*>;
using MutableView = BasicView<void*>;

// A stride is 0 along every axis that the mask broadcasts. Boolean: true keeps the key. Float: added to the
// score, −∞ excludes the key.
struct MaskView {
  const void* data = nullptr;
  DType type = DType::boolean;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t query_stride = 0;
  int64_t key_stride = 0;
};

// One batch entry: its rows of query and key. In a dense batch both starts are 0.
struct Sequence {
  int64_t query_start = 0;
  int64_t query_steps = 0;
  int64_t key_start = 0;
  int64_t key_steps = 0;     // valid keys only
  int64_t query_offset = 0;  // key position of query row 0; may be negative
};

// Divides x, the elements of consecutive heads, by its root mean square √(Σ x² / n + epsilon), multiplies it
// by the weight, element by element, and adds the bias.
struct HeadNorm {
  const float* weight = nullptr;  // null: no normalisation
  float epsilon = 0;
  const float* bias = nullptr;
  int64_t heads = 1;      // that x consists of; divides the number of heads of the target
  bool centered = false;  // the mean of x is subtracted first
  bool shared = true;     // one weight and bias for all x; otherwise, each x has its own, contiguous
};

// Rotates each pair (x, y) among the first `width` elements of a head to (x cos − y sin, x sin + y cos).
struct Rotation {
  int64_t width = 0;         // even; 0: no rotation
  bool interleaved = false;  // pairs are neighbours; otherwise width / 2 apart
  int64_t rows = 1;          // row m of the product uses row m % rows of the tables
  const float* cos = nullptr;
  const float* sin = nullptr;  // [rows, width / 2], contiguous
};

// Columns [first_column, first_column + columns) of a product, written as [batch, heads, steps, head_width].
struct ProjectionTarget {
  int64_t first_column = 0;
  int64_t columns = 0;
  int64_t head_width = 0;
  MutableView view;
  HeadNorm norm;  // applied before the rotation
  Rotation rotation;

  // Whether heads need processing that requires all their elements at once, and how many elements that takes.
  bool whole_heads() const { return norm.weight != nullptr || rotation.width > 0; }
  int64_t whole_width() const { return norm.heads * head_width; }
};

}  // namespace heed
