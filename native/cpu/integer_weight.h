// A packed weight of int8 or int4, in the panel layout of one instruction set.
#pragma once

#include <memory>
#include <vector>

#include "core/aligned_memory.h"
#include "cpu/instruction_set.h"

namespace heed::cpu {

class IntegerWeight final : public PackedWeight {
 public:
  IntegerWeight(const IntegerTable& table, const QuantisedWeight& weight);

  int64_t columns() const override { return columns_; }
  int64_t inner() const override { return panels_.inner; }
  size_t byte_length() const override { return byte_length_ + factors_.size() * sizeof(float); }
  const IntegerTable& table() const { return table_; }
  const IntegerPanels& panels() const { return panels_; }

 private:
  const IntegerTable& table_;
  int64_t columns_;
  std::vector<float> factors_;
  size_t byte_length_ = 0;
  AlignedMemory memory_;
  IntegerPanels panels_;
};

}  // namespace heed::cpu
