#include "addon/wire/pages.h"
#include "addon/wire/problems.h"
#include "core/outliers.h"

namespace heed {

EncodedPages EncodedPages::read(Reader& from, size_t entries) {
  EncodedPages pages;
  const int64_t steps = from.integer(-1, largest_axis);
  if (steps == -1) return pages;
  if (steps == 0) throw InvalidProblem("Expected pages of at least one step");
  pages.present_ = true;
  pages.steps_ = steps;
  pages.pages_per_slab_ = from.integer(1, largest_axis);
  pages.key_stride_ = from.length();
  pages.value_stride_ = from.length();
  pages.slabs_.resize(static_cast<size_t>(from.count(5)));
  for (Slab& slab : pages.slabs_) {
    slab.keys = &from.memory();
    slab.values = &from.memory();
    slab.key_scales = from.optional_memory();
    slab.value_scales = from.optional_memory();
    slab.key_outliers = from.optional_memory();
  }
  const Wide known = static_cast<Wide>(pages.slabs_.size()) * pages.pages_per_slab_;
  for (size_t entry = 0; entry < entries; ++entry) {
    const PageList& list = from.page_list();
    if (list.last >= known) throw InvalidProblem("Expected pages to be pages of their slabs");
    pages.lists_.push_back(&list);
  }
  return pages;
}

void EncodedPages::require_room(const EncodedView& view, int64_t page_stride, int64_t heads,
                                int64_t width) const {
  const Wide used = static_cast<Wide>(heads - 1) * view.head_stride +
                    static_cast<Wide>(steps_ - 1) * view.step_stride + width;
  if (used > page_stride) throw InvalidProblem("Expected pages to lie inside their buffer");
}

char* EncodedPages::place(const Memory& memory, int64_t page, int64_t elements, DType type) const {
  const int64_t place = page % pages_per_slab_;
  if ((static_cast<Wide>(place) + 1) * elements > capacity(memory, type))
    throw InvalidProblem("Expected pages to lie inside their buffer");
  return static_cast<char*>(memory.data) + place * elements * static_cast<int64_t>(size_of(type));
}

void EncodedPages::require_outliers(const Memory* memory, const PagedViews& views) const {
  if (memory == nullptr) return;
  if (views.key.type != DType::int8 || views.width > most_outlier_width)
    throw InvalidProblem("Expected only keys of int8 to have outlier channels");
  if (reinterpret_cast<uintptr_t>(memory->data) % 8 != 0)
    throw InvalidProblem("Expected outlier channels to be aligned");
}

std::shared_ptr<const PageTables> EncodedPages::tables(const PagedViews& views) const {
  require_room(views.key, key_stride_, views.heads, views.width);
  require_room(views.value, value_stride_, views.heads, views.value_width);
  const auto require_scales = [](const Memory* memory, bool needed) {
    if (needed != (memory != nullptr))
      throw InvalidProblem("Expected scaled types, and no others, to have scales");
  };
  for (const Slab& slab : slabs_) {
    require_scales(slab.key_scales, is_scaled(views.key.type));
    require_scales(slab.value_scales, is_scaled(views.value.type));
    require_outliers(slab.key_outliers, views);
    if ((slab.key_outliers == nullptr) != (slabs_[0].key_outliers == nullptr))
      throw InvalidProblem("Expected all slabs, or none, to have outlier channels");
  }
  auto tables = std::make_shared<PageTables>();
  for (const PageList* list : lists_) {
    tables->first.push_back(static_cast<int64_t>(tables->keys.size()));
    for (const int64_t page : list->pages) {
      const Slab& slab = slabs_[static_cast<size_t>(page / pages_per_slab_)];
      tables->keys.push_back(place(*slab.keys, page, key_stride_, views.key.type));
      tables->values.push_back(place(*slab.values, page, value_stride_, views.value.type));
      const auto scales = [&](const Memory& memory) {
        return reinterpret_cast<float*>(place(memory, page, views.heads * steps_, DType::float32));
      };
      if (slab.key_scales != nullptr) tables->key_scales.push_back(scales(*slab.key_scales));
      if (slab.value_scales != nullptr) tables->value_scales.push_back(scales(*slab.value_scales));
      if (slab.key_outliers != nullptr) {
        const int64_t bytes = views.heads * outlier_bytes(views.width, steps_);
        tables->key_outliers.push_back(
            reinterpret_cast<uint8_t*>(place(*slab.key_outliers, page, bytes, DType::boolean)));
      }
    }
  }
  tables->key = {steps_,
                 tables->first.data(),
                 tables->keys.data(),
                 is_scaled(views.key.type) ? tables->key_scales.data() : nullptr,
                 tables->key_outliers.empty() ? nullptr : tables->key_outliers.data(),
                 outlier_pitch(views.width),
                 outlier_bytes(views.width, steps_)};
  tables->value = {steps_, tables->first.data(), tables->values.data(),
                   is_scaled(views.value.type) ? tables->value_scales.data() : nullptr};
  return tables;
}

namespace {

// All parts together may not have more rows than the new tensors supply.
void require_new_rows(const EncodedView& view, const AppendProblem& problem, int64_t width) {
  Wide rows = 0;
  for (const AppendProblem::Part& part : problem.parts) {
    const Wide offset =
        static_cast<Wide>(part.entry) * view.batch_stride + static_cast<Wide>(part.start) * view.step_stride;
    require_inside(*view.memory, view.type, offset,
                   {{problem.heads, view.head_stride}, {part.steps, view.step_stride}}, width);
    rows += part.steps;
  }
  if (rows * problem.heads > capacity(*view.memory, view.type) / width)
    throw InvalidProblem("Expected a view not to touch an element twice");
}

}  // namespace

AppendProblem read_append(Reader& from) {
  AppendProblem problem;
  problem.heads = from.integer(1, largest_axis);
  problem.key_width = from.integer(1, largest_axis);
  problem.value_width = from.integer(1, largest_axis);
  const auto key = EncodedView::read(from);
  const auto value = EncodedView::read(from);
  const auto cached_key = EncodedView::read_stored(from);
  const auto cached_value = EncodedView::read_stored(from);
  const auto entries = static_cast<size_t>(from.count());
  problem.parts.resize(static_cast<size_t>(from.count(4)));
  for (AppendProblem::Part& part : problem.parts) {
    part.entry = from.integer(0, static_cast<int64_t>(entries) - 1);
    part.start = from.length();
    part.steps = from.length();
    part.position = from.length();
  }
  const auto pages = EncodedPages::read(from, entries);
  if (!pages.present()) throw InvalidProblem("Expected a cache to have pages");
  for (const AppendProblem::Part& part : problem.parts) {
    if (static_cast<Wide>(part.position) + part.steps > pages.steps_of(static_cast<size_t>(part.entry)))
      throw InvalidProblem("Expected new steps to have a page");
  }
  require_new_rows(key, problem, problem.key_width);
  require_new_rows(value, problem, problem.value_width);
  problem.pages =
      pages.tables({cached_key, cached_value, problem.heads, problem.key_width, problem.value_width});
  problem.key = key.as<View>();
  problem.value = value.as<View>();
  problem.cached_key = cached_key.paged<MutableView>(problem.pages->key);
  problem.cached_value = cached_value.paged<MutableView>(problem.pages->value);
  return problem;
}

}  // namespace heed
