// A weight in the panel layout of one instruction set.
#pragma once

#include <memory>

#include "core/aligned_memory.h"
#include "cpu/instruction_set.h"

namespace heed::cpu {

class Panels final : public PackedWeight {
 public:
  // Allocates memory only; pack() fills one panel.
  Panels(const KernelTable& table, DType weight_type, int64_t columns, int64_t inner);

  int64_t columns() const override { return columns_; }
  int64_t inner() const override { return inner_; }
  size_t byte_length() const override { return byte_length_; }
  const KernelTable& table() const { return table_; }
  DType weight_type() const { return weight_type_; }
  const void* data() const { return memory_.get(); }
  int64_t count() const;
  void pack(const void* weight, int64_t panel);

 private:
  const KernelTable& table_;
  DType weight_type_;
  int64_t columns_, inner_;
  size_t byte_length_;
  AlignedMemory memory_;
};

}  // namespace heed::cpu
