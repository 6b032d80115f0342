// Rows of keys and values, contiguous or in the pages of a cache.
#pragma once

#include "cpu/kernels/outlier_channels.h"
#include "cpu/kernels/rows_of_block.h"
#include "cpu/kernels/scaled_types.h"

namespace heed::cpu::HEED_ISA {

// Calls f with the tag of a type that keys and values may have.
template <class F>
static inline auto with_stored_type(DType type, F f) {
  if (is_scaled(type)) return with_scaled_type(type, f);
  return with_type(type, f);
}

// Consecutive rows, a step stride apart.
struct Run {
  void* rows;
  float* scales;  // for scaled types: one per row, to dequantise it; otherwise null
  int64_t count;
  OutlierRow outliers;  // of the first row; the others are in the same block

  template <class Type>
  const typename Type::Element* as() const {
    return static_cast<const typename Type::Element*>(rows);
  }
};

// The rows of one batch entry and head from `step` on, at most `most`.
static inline Run run_of_pages(const Pages& pages, int64_t element_size, int64_t head_stride,
                               int64_t step_stride, int64_t batch, int64_t head, int64_t step, int64_t most) {
  const int64_t page = pages.first[batch] + step / pages.steps, within = step % pages.steps;
  const int64_t left = pages.steps - within;
  Run run{static_cast<char*>(pages.data[page]) + (head * head_stride + within * step_stride) * element_size,
          pages.scales ? pages.scales[page] + head * pages.steps + within : nullptr,
          left < most ? left : most,
          {}};
  if (!pages.outliers) return run;
  const int64_t row = within % outlier_block, left_of_block = outlier_block - row;
  const int64_t block = within / outlier_block * outlier_levels * pages.outlier_pitch;
  run.outliers = {pages.outliers[page] + head * pages.outlier_stride + block, pages.outlier_pitch, row};
  if (left_of_block < run.count) run.count = left_of_block;
  return run;
}

static inline Run run_at(const View& view, const RowBlock& block, int64_t step, int64_t most) {
  const int64_t size = static_cast<int64_t>(size_of(view.type));
  if (view.pages) {
    return run_of_pages(*view.pages, size, view.head_stride, view.step_stride, block.batch, block.key_head,
                        step, most);
  }
  const int64_t offset = offset_of(view, block.batch, block.key_head, step);
  return {const_cast<char*>(static_cast<const char*>(view.data)) + offset * size, nullptr, most, {}};
}

// Calls f(run, index of its first row) for `count` rows from `step` on.
template <class F>
static inline __attribute__((always_inline)) void for_runs(const View& view, const RowBlock& block,
                                                           int64_t step, int64_t count, F f) {
  for (int64_t first = 0; first < count;) {
    const Run run = run_at(view, block, step + first, count - first);
    f(run, first);
    first += run.count;
  }
}

// Calls f(part, index of its first row, factors) for parts of a run of keys that have the same outliers.
// `factors` multiplies each channel; it is null where all are 1. Before they are others than in the call
// before, renew(factors) is called.
template <class Renew, class F>
static inline __attribute__((always_inline)) void for_alike_keys(const Run& run, int64_t step_stride,
                                                                 KeptFactors& kept, Renew renew, F f) {
  if (!run.outliers.outliers) {
    f(run, 0, static_cast<const float*>(nullptr));
    return;
  }
  for (int64_t first = 0; first < run.count;) {
    Run part{static_cast<int8_t*>(run.rows) + first * step_stride,
             run.scales + first,
             run.count - first,
             {run.outliers.outliers, run.outliers.pitch, run.outliers.row + first}};
    if (!kept.hold_for(part.outliers)) {
      kept.load(part.outliers);
      if (kept.factors()) renew(kept.factors());
    }
    const int64_t alike = kept.end() - part.outliers.row;
    if (alike < part.count) part.count = alike;
    f(part, first, kept.factors());
    first += part.count;
  }
}

}  // namespace heed::cpu::HEED_ISA
