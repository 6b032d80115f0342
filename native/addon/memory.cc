#include "addon/memory.h"

namespace heed {

const Memory& Memories::read(NumberReader& numbers) const {
  return memories_[static_cast<size_t>(numbers.integer(0, static_cast<int64_t>(memories_.size()) - 1))];
}

const Memory* Memories::read_optional(NumberReader& numbers) const {
  const int64_t index = numbers.integer(-1, static_cast<int64_t>(memories_.size()) - 1);
  return index < 0 ? nullptr : &memories_[static_cast<size_t>(index)];
}

void* Memories::read_contiguous(NumberReader& numbers, DType type, Wide elements) const {
  const Memory& memory = read(numbers);
  if (elements > capacity(memory, type)) throw InvalidProblem("Expected a buffer to hold all elements");
  return memory.data;
}

DType read_type(NumberReader& numbers) {
  return static_cast<DType>(numbers.integer(0, static_cast<int64_t>(DType::boolean)));
}

DType read_floating_type(NumberReader& numbers) {
  const DType type = read_type(numbers);
  if (type == DType::boolean) throw InvalidProblem("Expected a floating type, received bool");
  return type;
}

DType read_stored_type(NumberReader& numbers) {
  const auto type = static_cast<DType>(numbers.integer(0, static_cast<int64_t>(DType::int8)));
  if (type == DType::boolean) throw InvalidProblem("Expected a floating type or int8, received bool");
  return type;
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

EncodedView EncodedView::read(NumberReader& numbers, const Memories& memories) {
  EncodedView view = read_optional(numbers, memories);
  if (view.memory == nullptr) throw InvalidProblem("Expected a view");
  return view;
}

EncodedView EncodedView::read_optional(NumberReader& numbers, const Memories& memories) {
  EncodedView view;
  view.memory = memories.read_optional(numbers);
  if (view.memory == nullptr) return view;
  view.type = read_floating_type(numbers);
  view.read_strides(numbers);
  return view;
}

EncodedView EncodedView::read_stored(NumberReader& numbers, const Memories& memories) {
  EncodedView view;
  view.memory = &memories.read(numbers);
  view.type = read_stored_type(numbers);
  view.read_strides(numbers);
  return view;
}

void EncodedView::read_strides(NumberReader& numbers) {
  batch_stride = numbers.length();
  head_stride = numbers.length();
  step_stride = numbers.length();
}

}  // namespace heed
