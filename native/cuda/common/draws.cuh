// The noise that draws a key by the Gumbel-max trick. lib/backends/reference/draws.ts says why, and draws the
// same keys.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/common/online_softmax.cuh"
#include "cuda/device/target.cuh"
#include "cuda/device/thread.cuh"

namespace heed::cuda {

// The random stream of a row.
class Draws {
 public:
  static constexpr uint32_t sink_key = 0xffffffff;  // a sink takes part as a key that no sequence has

  Draws() = default;
  __device__ __forceinline__ Draws(uint64_t seed, int64_t batch, int32_t head, int64_t position) {
    const uint32_t words[] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                              static_cast<uint32_t>(batch), static_cast<uint32_t>(head),
                              static_cast<uint32_t>(position)};
#pragma unroll
    for (const uint32_t word : words) {
      first_ = mixed((first_ ^ word) + 0x9e3779b9);
      second_ = mixed((second_ ^ word) + 0x9e3779b9);
    }
  }

  // Evenly drawn.
  __device__ __forceinline__ uint32_t bits(uint32_t key) const {
    return mixed(mixed(key + first_) ^ second_);
  }

  // −ln(−ln(1 − t)) for t = (bits + ½) / 2³².
  __device__ __forceinline__ float noise(uint32_t key) const {
    const uint32_t bits = this->bits(key);
    // Of t and 1 − t, the smaller one has all its digits.
    const float exponential = bits < 0x80000000 ? -log1pf(-fraction(bits)) : -logf(fraction(~bits));
    return -logf(exponential);
  }
  // The same with all digits of float64, as the reference has it.
  __device__ __forceinline__ static double exact_noise(uint32_t bits) {
    return -log(-log1p(-(static_cast<double>(bits) + 0.5) * 0x1p-32));
  }
  // At least the noise, as −ln(1 − t) is at least t, but for rounding: −ln t.
  __device__ __forceinline__ static float most_noise(uint32_t bits) {
    return -ln_2 * thread::log2(fraction(bits));
  }

 private:
  // A bijection of 32 bits without visible structure (the finalizer of splitmix32).
  __device__ __forceinline__ static uint32_t mixed(uint32_t bits) {
    bits = (bits ^ bits >> 16) * 0x21f0aaad;
    bits = (bits ^ bits >> 15) * 0x735a2d97;
    return bits ^ bits >> 15;
  }
  __device__ __forceinline__ static float fraction(uint32_t bits) {
    return (static_cast<float>(bits) + 0.5f) * 0x1p-32f;
  }

  uint32_t first_ = 0x243f6a88, second_ = 0x85a308d3;
};

}  // namespace heed::cuda
