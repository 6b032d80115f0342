// Rows of keys and values, contiguous or in the pages of a cache.
#pragma once

#include <cstdint>

#include "core/view.h"
#include "cuda/device/target.cuh"

namespace heed::cuda {

// The rows of one batch entry and key head, from `start` on. `pages` has its tables in device memory, and no
// data if nothing is paged.
class HeadRows {
 public:
  __device__ __forceinline__ HeadRows(const View& view, const Pages& pages, int64_t batch, int64_t head,
                                      int64_t start)
      : data_(view.data),
        pages_(pages.data == nullptr ? nullptr : pages.data + pages.first[batch]),
        page_steps_(pages.steps < INT32_MAX ? static_cast<int32_t>(pages.steps) : INT32_MAX),
        start_(pages_ == nullptr ? 0 : static_cast<int32_t>(start)),
        offset_(head * view.head_stride),
        step_stride_(view.step_stride) {
    if (pages_ == nullptr) offset_ += batch * view.batch_stride + start * view.step_stride;
  }

  template <class T>
  __device__ __forceinline__ const T* row(int32_t key) const {
    if (pages_ == nullptr) return static_cast<const T*>(data_) + offset_ + key * step_stride_;
    const int32_t step = start_ + key;
    return static_cast<const T*>(pages_[step / page_steps_]) + offset_ + step % page_steps_ * step_stride_;
  }

 private:
  const void* data_;
  void* const* pages_;
  int32_t page_steps_, start_;
  int64_t offset_, step_stride_;
};

}  // namespace heed::cuda
