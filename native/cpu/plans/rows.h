// Rows of contiguous elements, widened to float32 and rounded back by the kernels of an instruction set.
#pragma once

#include <cstdint>

#include "cpu/kernels/table.h"

namespace heed::cpu {

struct ElementRows {
  const KernelTable& table;
  DType type;
  int64_t width;

  void read(const void* data, int64_t row, float* to) const {
    table.cast(static_cast<const char*>(data) + offset(row), type, to, DType::float32, width);
  }
  void write(const float* from, void* data, int64_t row) const {
    table.cast(from, DType::float32, static_cast<char*>(data) + offset(row), type, width);
  }

 private:
  int64_t offset(int64_t row) const { return row * width * static_cast<int64_t>(size_of(type)); }
};

}  // namespace heed::cpu
