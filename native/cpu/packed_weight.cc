#include "cpu/packed_weight.h"

namespace heed::cpu {

Panels::Panels(const KernelTable& table, DType weight_type, int64_t columns, int64_t inner)
    : table_(table),
      weight_type_(weight_type),
      columns_(columns),
      inner_(inner),
      byte_length_(static_cast<size_t>(count()) * table.panel_size(weight_type, inner)),
      memory_(aligned_memory(byte_length_)) {}

int64_t Panels::count() const {
  return (columns_ + table_.panel_columns - 1) / table_.panel_columns;
}

void Panels::pack(const void* weight, int64_t panel) {
  table_.pack_panel(weight, weight_type_, columns_, inner_, panel, memory_.get());
}

std::unique_ptr<const PackedWeight> pack_weight(const void* weight, DType type, int64_t columns,
                                                int64_t inner) {
  auto panels = std::make_unique<Panels>(kernels(), type, columns, inner);
  // Rows without elements take no memory, and there may be any number of them.
  if (panels->byte_length() == 0) return panels;
  for (int64_t panel = 0; panel < panels->count(); ++panel) panels->pack(weight, panel);
  return panels;
}

}  // namespace heed::cpu
