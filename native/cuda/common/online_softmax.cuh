// The online softmax (Milakov & Gimelshein, 2018) in powers of two, over scores that are distributed over a
// warp.
#pragma once

#include <cfloat>
#include <cmath>

#include "cuda/common/fragments.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

constexpr float log2_e = 1.4426950408889634f;
constexpr float ln_2 = 0.6931471805599453f;

constexpr float negative_infinity = -__builtin_huge_valf();

// Of a number and NaN, returns the number.
struct Larger {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct Sum {
  __device__ __forceinline__ float operator()(float a, float b) const { return a + b; }
};

// The state of a lane's rows. `maximum` is in log2 units and equal in all lanes of a row; each lane has a
// part of the sum.
template <int rows>
struct SoftmaxState {
  float maximum[rows], sum[rows];

  __device__ __forceinline__ SoftmaxState() {
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      maximum[i] = negative_infinity;
      sum[i] = 0;
    }
  }
};

// Converts scores to weights, in place, and scales older outputs to match, unless no maximum in the warp has
// moved: then all factors are exactly 1. Scores times `factor`, which is positive, are in log2 units.
template <class Scores, class Outputs>
__device__ __forceinline__ void soften(SoftmaxState<Scores::rows>& state, Scores& scores, Outputs& outputs,
                                       float factor) {
  float decays[Scores::rows];
  bool moved = false;
#pragma unroll
  for (int i = 0; i < Scores::rows; ++i) {
    float highest = scores.at(i, 0);
#pragma unroll
    for (int j = 1; j < Scores::elements; ++j) highest = Larger{}(highest, scores.at(i, j));
    highest = Larger{}(state.maximum[i], Scores::reduce(highest, Larger{}) * factor);
    // A row without keys so far subtracts 0, which avoids −∞ − −∞.
    const float reference = highest == negative_infinity ? 0 : highest;
    const float decay = thread::exp2(state.maximum[i] - reference);
    decays[i] = decay;
    moved |= decay != 1;  // NaN as well
    float sum = 0;
#pragma unroll
    for (int j = 0; j < Scores::elements; ++j) {
      const float weight = thread::exp2(fmaf(scores.at(i, j), factor, -reference));
      scores.at(i, j) = weight;
      sum += weight;
    }
    state.maximum[i] = highest;
    state.sum[i] = state.sum[i] * decay + sum;
  }
  if (!warp::any(moved)) return;
#pragma unroll
  for (int i = 0; i < Scores::rows; ++i) {
#pragma unroll
    for (int j = 0; j < Outputs::elements; ++j) outputs.at(i, j) *= decays[i];
  }
}

// The final softmax result of a row.
struct SoftmaxResult {
  float factor;       // for its outputs; negative if the row attended nothing
  float log_sum_exp;  // natural
  // A row that attended nothing gives 0, even if its output contains 0 · ∞. One whose weights are 0 beside a
  // sink does not.
  __device__ __forceinline__ float scaled(float output) const { return factor < 0 ? 0 : output * factor; }
};

// Computed from the maximum in log2 units, the sum of the weights relative to it, and the sink logit (natural
// units; −∞: none). A row without weights gives zeros, and a log-sum-exp that is the sink.
__device__ __forceinline__ SoftmaxResult result_of(float maximum, float sum, float sink) {
  if (sum == 0) return {-1, sink};
  if (maximum == negative_infinity) maximum = 0;
  // The largest logits would be infinite in log2 units.
  const float scaled = fminf(sink * log2_e, FLT_MAX);
  const float reference = Larger{}(maximum, scaled);
  const float faded = thread::exp2(maximum - reference);
  const float total = sum * faded + thread::exp2(scaled - reference);
  const float log_sum_exp = (reference + thread::log2(total)) * ln_2;
  return {faded / total, log_sum_exp < sink ? sink : log_sum_exp};
}

}  // namespace heed::cuda
