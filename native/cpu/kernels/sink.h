// The sink: a logit that takes part in the softmax of a row and has no value. A row without keys gives it all
// the weight: zeros, and a log-sum-exp that is the sink.
#pragma once

#include <cfloat>

#include "cpu/kernels/math.h"
#include "cpu/kernels/rows_of_block.h"

namespace heed::cpu::HEED_ISA {

// Natural units; −∞ without a sink.
static inline float sink_of(const AttentionParameters& p, int64_t head) {
  return p.scoring.sinks ? p.scoring.sinks[head] : -infinity;
}

// In log2 units, where the largest logits would be infinite.
static inline float in_log2_units(float sink) {
  const float scaled = sink * log2_e;
  return scaled < FLT_MAX ? scaled : FLT_MAX;
}

// The log-sum-exp of a row, given the maximum in log2 units and the sum relative to it. It is at least the
// sink, also where that is beyond the range of log2 units.
static inline float log_sum_exp_of(float maximum, float sum, float sink) {
  const float without = sum == 0 ? -infinity : (maximum + __builtin_log2f(sum)) * ln_2;
  return without < sink ? sink : without;
}

}  // namespace heed::cpu::HEED_ISA
