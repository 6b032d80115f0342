// What becomes of the sums of a product before they are written: a plain struct, so that kernels compiled for
// one instruction set may include it.
#pragma once

#include <cstdint>

namespace heed {

enum class Activation : uint8_t { none, silu, gelu, gelu_tanh, relu };

// In this order, and in the precision of the sums.
struct Epilogue {
  Activation activation = Activation::none;
  // The activation of an even column is multiplied by the odd column after it, and half as many are written.
  bool gated = false;
  float softcap = 0;               // cap · tanh(x / cap); 0: not capped
  const void* residual = nullptr;  // added; where and in the type that the target is written

  bool computes() const { return activation != Activation::none || gated || softcap != 0; }
  bool present() const { return computes() || residual != nullptr; }
  // Columns for each element that is written.
  int64_t columns_per_element() const { return gated ? 2 : 1; }
};

}  // namespace heed
