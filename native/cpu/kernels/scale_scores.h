// Multiplies scores by factors that all elements of a key share: the inverse length for cosines, and the
// scale that dequantises a key of a scaled type.
#pragma once

#include "cpu/kernels/length.h"
#include "cpu/kernels/stored_rows.h"

namespace heed::cpu::HEED_ISA {

// Scales the scores of `rows` rows, `pitch` apart, over the keys of a run. A cosine does not depend on the
// scale, except for a scale that marks a non-finite row. `channels` has the factors of outlier channels,
// which the queries have been multiplied by, or is null.
template <class Type>
static inline void scale_scores(const AttentionParameters& p, const Run& run, const float* channels,
                                int64_t rows, float* scores, int64_t pitch) {
  if (p.scoring.score.kind != ScoreKind::cosine) {
    for (int64_t r = 0; run.scales && r < rows; ++r)
      multiply_each(scores + r * pitch, run.scales, run.count, scores + r * pitch);
    return;
  }
  for (int64_t key = 0; key < run.count; ++key) {
    const float poison = run.scales ? run.scales[key] * 0.0f : 0;
    const float inverse =
        inverse_length<Type>(run.as<Type>() + key * p.key.step_stride, p.key_width, channels);
    for (int64_t r = 0; r < rows; ++r) scores[r * pitch + key] *= inverse + poison;
  }
}

}  // namespace heed::cpu::HEED_ISA
