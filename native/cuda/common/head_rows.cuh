// Rows of keys and values, contiguous or in the pages of a cache.
#pragma once

#include <cstdint>

#include "core/view.h"
#include "cuda/common/device_pages.h"
#include "cuda/device/target.cuh"

namespace heed::cuda {

// The rows of one batch entry and key head, from `start` on. `pages` has its tables in device memory, and no
// data if nothing is paged.
class HeadRows {
 public:
  __device__ __forceinline__ HeadRows(const View& view, const PagesOnDevice& pages, int64_t batch,
                                      int64_t head, int64_t start)
      : data_(view.data),
        pages_(pages.data == nullptr ? nullptr : pages.data + pages.first[batch]),
        divisor_(pages.divisor),
        start_(pages_ == nullptr ? 0 : static_cast<int32_t>(start)),
        offset_(head * view.head_stride),
        step_stride_(view.step_stride) {
    if (pages_ == nullptr) offset_ += batch * view.batch_stride + start * view.step_stride;
  }

  template <class T>
  __device__ __forceinline__ const T* row(int32_t key) const {
    if (pages_ == nullptr) return static_cast<const T*>(data_) + offset_ + key * step_stride_;
    const auto step = static_cast<uint32_t>(start_ + key);
    const uint32_t page = divisor_.quotient(step);
    return static_cast<const T*>(pages_[page]) + offset_ + (step - page * divisor_.value()) * step_stride_;
  }

 private:
  const void* data_;
  void* const* pages_;
  Divisor divisor_;
  int32_t start_;
  int64_t offset_, step_stride_;
};

}  // namespace heed::cuda
