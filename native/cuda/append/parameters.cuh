// The parameters of the kernels that append new steps to a cache: of keys, or of values.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "cuda/common/device_pages.h"
#include "cuda/common/entry_at.cuh"

namespace heed::cuda {

struct AppendEntry {
  AppendProblem::Part part;
  int64_t first_row;  // among all new steps
};

struct AppendParameters {
  View from;
  MutableView to;
  PagesOnDevice pages;
  Entries<AppendEntry> entries;
  int64_t rows, heads, width;
};

// The place of a step and head in a cache.
struct AppendedRow {
  int64_t page, step;  // in the page
  __device__ __forceinline__ AppendedRow(const AppendParameters& p, int64_t entry, int64_t position) {
    const int64_t of_entry = position / p.pages.steps;
    page = p.pages.first[entry] + of_entry;
    step = position - of_entry * p.pages.steps;
  }

  template <class To>
  __device__ __forceinline__ To* elements(const AppendParameters& p, int64_t head) const {
    return static_cast<To*>(p.pages.data[page]) + head * p.to.head_stride + step * p.to.step_stride;
  }
  // Of scaled types only.
  __device__ __forceinline__ float* scale(const AppendParameters& p, int64_t head) const {
    return p.pages.scales[page] + head * p.pages.steps + step;
  }
};

// A new row.
template <class From>
__device__ __forceinline__ const From* new_row(const AppendParameters& p, const AppendProblem::Part& part,
                                               int64_t head, int64_t step) {
  return static_cast<const From*>(p.from.data) + part.entry * p.from.batch_stride +
         head * p.from.head_stride + (part.start + step) * p.from.step_stride;
}

// Which of the rows of all heads a warp has.
struct AppendedIndex {
  AppendProblem::Part part;
  int64_t head, step;  // among those of the part
  __device__ __forceinline__ AppendedIndex(const AppendParameters& p, int64_t index) {
    const int64_t row = index / p.heads;
    head = index - row * p.heads;
    const AppendEntry& entry = entry_at(p.entries, row, [](const AppendEntry& e) { return e.first_row; });
    part = entry.part;
    step = row - entry.first_row;
  }
};

}  // namespace heed::cuda
