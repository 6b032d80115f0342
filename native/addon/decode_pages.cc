#include "addon/decode_pages.h"

namespace heed {

EncodedPages EncodedPages::read(NumberReader& numbers, const Memories& memories, size_t entries) {
  EncodedPages pages;
  const int64_t steps = numbers.integer(-1, largest_axis);
  if (steps == -1) return pages;
  if (steps == 0) throw InvalidProblem("Expected pages of at least one step");
  pages.present_ = true;
  pages.steps_ = steps;
  pages.pages_per_slab_ = numbers.integer(1, largest_axis);
  pages.key_stride_ = numbers.length();
  pages.value_stride_ = numbers.length();
  pages.slabs_.resize(static_cast<size_t>(numbers.count(4)));
  for (Slab& slab : pages.slabs_) {
    slab.keys = &memories.read(numbers);
    slab.values = &memories.read(numbers);
    slab.key_scales = memories.read_optional(numbers);
    slab.value_scales = memories.read_optional(numbers);
  }
  const int64_t known = static_cast<int64_t>(pages.slabs_.size()) * pages.pages_per_slab_;
  for (size_t entry = 0; entry < entries; ++entry) {
    std::vector<int64_t> list(static_cast<size_t>(numbers.count()));
    for (int64_t& page : list) page = numbers.integer(0, known - 1);
    pages.lists_.push_back(std::move(list));
  }
  return pages;
}

void EncodedPages::require_room(const Memory& memory, const EncodedView& view, int64_t page_stride,
                                int64_t heads, int64_t width) const {
  const Wide used = static_cast<Wide>(heads - 1) * view.head_stride +
                    static_cast<Wide>(steps_ - 1) * view.step_stride + width;
  if (used > page_stride || static_cast<Wide>(page_stride) * pages_per_slab_ > capacity(memory, view.type))
    throw InvalidProblem("Expected pages to lie inside their buffer");
}

void EncodedPages::require_scales(const Memory* memory, bool needed, int64_t heads) const {
  if (needed != (memory != nullptr)) throw InvalidProblem("Expected int8, and nothing else, to have scales");
  if (needed && static_cast<Wide>(heads) * steps_ * pages_per_slab_ > capacity(*memory, DType::float32))
    throw InvalidProblem("Expected each row of int8 to have a scale");
}

std::shared_ptr<const PageTables> EncodedPages::tables(const PagedViews& views) const {
  for (const Slab& slab : slabs_) {
    require_room(*slab.keys, views.key, key_stride_, views.heads, views.width);
    require_room(*slab.values, views.value, value_stride_, views.heads, views.value_width);
    require_scales(slab.key_scales, views.key.type == DType::int8, views.heads);
    require_scales(slab.value_scales, views.value.type == DType::int8, views.heads);
  }
  auto tables = std::make_shared<PageTables>();
  const auto place = [&](const Memory* memory, int64_t page, int64_t elements, DType type) {
    return static_cast<char*>(memory->data) +
           page % pages_per_slab_ * elements * static_cast<int64_t>(size_of(type));
  };
  for (const std::vector<int64_t>& list : lists_) {
    tables->first.push_back(static_cast<int64_t>(tables->keys.size()));
    for (const int64_t page : list) {
      const Slab& slab = slabs_[static_cast<size_t>(page / pages_per_slab_)];
      tables->keys.push_back(place(slab.keys, page, key_stride_, views.key.type));
      tables->values.push_back(place(slab.values, page, value_stride_, views.value.type));
      const auto scales = [&](const Memory* memory) {
        return reinterpret_cast<float*>(place(memory, page, views.heads * steps_, DType::float32));
      };
      if (slab.key_scales != nullptr) tables->key_scales.push_back(scales(slab.key_scales));
      if (slab.value_scales != nullptr) tables->value_scales.push_back(scales(slab.value_scales));
    }
  }
  tables->key = {steps_, tables->first.data(), tables->keys.data(),
                 views.key.type == DType::int8 ? tables->key_scales.data() : nullptr};
  tables->value = {steps_, tables->first.data(), tables->values.data(),
                   views.value.type == DType::int8 ? tables->value_scales.data() : nullptr};
  return tables;
}

}  // namespace heed
