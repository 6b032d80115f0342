#include "cpu/integer_weight.h"

#include <algorithm>
#include <cmath>

namespace heed::cpu {

namespace {

// So many products of two int8 fit into a sum of int32.
constexpr int64_t most_summed = int64_t{1} << 17;

// What the scales of a column are divided by when they are packed. For int8 it is the only scale itself. For
// int4 it is a power of two, so that the division is exact, and sums of scaled groups are neither infinite
// nor denormal where the result is not.
float factor_of(const QuantisedWeight& weight, int64_t column) {
  if (weight.type == QuantisedWeight::Type::int8) return weight.scales[column];
  const float* scales = weight.scales + column * weight.groups();
  float largest = 0;
  for (int64_t g = 0; g < weight.groups(); ++g) largest = std::max(largest, std::fabs(scales[g]));
  if (largest == 0 || !std::isfinite(largest)) return 1;
  return std::ldexp(1.0f, std::ilogb(largest));
}

}  // namespace

IntegerWeight::IntegerWeight(const IntegerTable& table, const QuantisedWeight& weight)
    : table_(table),
      columns_(weight.columns),
      panels_{.type = weight.type,
              .inner = weight.inner,
              .group_size = weight.type == QuantisedWeight::Type::int8 ? most_summed : weight.group_size,
              .data = nullptr,
              .factors = nullptr} {
  // Rows without elements take no memory, and there may be any number of them.
  if (weight.inner == 0) return;
  const int64_t count = (columns_ + table.panel_columns - 1) / table.panel_columns;
  factors_.resize(static_cast<size_t>(count * table.panel_columns));
  for (int64_t column = 0; column < columns_; ++column) factors_[column] = factor_of(weight, column);
  panels_.factors = factors_.data();
  byte_length_ = static_cast<size_t>(count) * table.panel_size(panels_);
  memory_ = aligned_memory(byte_length_);
  panels_.data = memory_.get();
  for (int64_t panel = 0; panel < count; ++panel) table.pack_panel(weight, panels_, panel, memory_.get());
}

std::unique_ptr<const PackedWeight> pack_weight(const QuantisedWeight& weight) {
  return std::make_unique<IntegerWeight>(integer_kernels(), weight);
}

}  // namespace heed::cpu
