// Divides a worker's scratch memory into aligned pieces; with a null base it only adds up their sizes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/kernels/width.h"

namespace heed::cpu::HEED_ISA {

class ScratchCursor {
 public:
  explicit ScratchCursor(void* base) : base_(static_cast<char*>(base)) {}

  template <class T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(base_ + used_);
    used_ += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return piece;
  }
  size_t used() const { return used_; }

 private:
  char* base_;
  size_t used_ = 0;
};

}  // namespace heed::cpu::HEED_ISA
