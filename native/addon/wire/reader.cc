#include "addon/wire/reader.h"

#include <algorithm>

namespace heed {

const Memory& Reader::memory() {
  return memories_[static_cast<size_t>(integer(0, static_cast<int64_t>(memories_.size()) - 1))];
}

const Memory* Reader::optional_memory() {
  const int64_t index = integer(-1, static_cast<int64_t>(memories_.size()) - 1);
  return index < 0 ? nullptr : &memories_[static_cast<size_t>(index)];
}

void* Reader::contiguous(DType type, Wide elements) {
  const Memory& given = memory();
  if (elements > capacity(given, type)) throw InvalidProblem("Expected a buffer to hold all elements");
  return given.data;
}

DType Reader::type() {
  return static_cast<DType>(integer(0, static_cast<int64_t>(DType::boolean)));
}

DType Reader::floating_type() {
  const DType given = type();
  if (given == DType::boolean) throw InvalidProblem("Expected a floating type, received bool");
  return given;
}

DType Reader::stored_type() {
  const auto given = static_cast<DType>(integer(0, static_cast<int64_t>(DType::float8)));
  if (given == DType::boolean) throw InvalidProblem("Expected a floating or scaled type, received bool");
  return given;
}

const PageList& Reader::page_list() {
  const auto before = static_cast<int64_t>(page_lists_.size());
  const int64_t index = integer(0, before);
  if (index < before) return page_lists_[static_cast<size_t>(index)];
  PageList list;
  list.pages.resize(static_cast<size_t>(count()));
  for (int64_t& page : list.pages) {
    page = integer(0, largest_integer);
    list.last = std::max(list.last, page);
  }
  return page_lists_.emplace_back(std::move(list));
}

int64_t capacity(const Memory& memory, DType type) {
  if (memory.packed != nullptr) throw InvalidProblem("Expected a typed array, received a packed weight");
  if (reinterpret_cast<uintptr_t>(memory.data) % size_of(type) != 0) {
    throw InvalidProblem("Expected a buffer to be aligned to its elements");
  }
  return static_cast<int64_t>(memory.bytes / size_of(type));
}

void require_inside(const Memory& memory, DType type, Wide offset, std::initializer_list<Axis> axes,
                    int64_t width) {
  const int64_t elements = capacity(memory, type);
  Wide end = offset + width;
  for (const Axis& axis : axes) {
    if (axis.length == 0) return;
    end += static_cast<Wide>(axis.length - 1) * axis.stride;
  }
  if (end > elements) throw InvalidProblem("Expected a view to lie inside its buffer");
}

EncodedView EncodedView::read(Reader& from) {
  EncodedView view = read_optional(from);
  if (view.memory == nullptr) throw InvalidProblem("Expected a view");
  return view;
}

EncodedView EncodedView::read_optional(Reader& from) {
  EncodedView view;
  view.memory = from.optional_memory();
  if (view.memory == nullptr) return view;
  view.type = from.floating_type();
  view.read_strides(from);
  return view;
}

EncodedView EncodedView::read_stored(Reader& from) {
  EncodedView view;
  view.memory = &from.memory();
  view.type = from.stored_type();
  view.read_strides(from);
  return view;
}

void EncodedView::read_strides(Reader& from) {
  batch_stride = from.length();
  head_stride = from.length();
  step_stride = from.length();
}

}  // namespace heed
