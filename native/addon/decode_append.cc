#include "addon/decode.h"
#include "addon/decode_pages.h"

namespace heed {

namespace {

// All parts together may not be more than the new ones that came with them.
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

AppendProblem decode_append(NumberReader& numbers, const Memories& memories) {
  AppendProblem problem;
  problem.heads = numbers.integer(1, largest_axis);
  problem.width = numbers.integer(1, largest_axis);
  problem.value_width = numbers.integer(1, largest_axis);
  const auto key = EncodedView::read(numbers, memories);
  const auto value = EncodedView::read(numbers, memories);
  const auto cached_key = EncodedView::read_stored(numbers, memories);
  const auto cached_value = EncodedView::read_stored(numbers, memories);
  const auto entries = static_cast<size_t>(numbers.count());
  problem.parts.resize(static_cast<size_t>(numbers.count(4)));
  for (AppendProblem::Part& part : problem.parts) {
    part.entry = numbers.integer(0, static_cast<int64_t>(entries) - 1);
    part.start = numbers.length();
    part.steps = numbers.length();
    part.position = numbers.length();
  }
  const auto pages = EncodedPages::read(numbers, memories, entries);
  if (!pages.present()) throw InvalidProblem("Expected a cache to have pages");
  for (const AppendProblem::Part& part : problem.parts) {
    if (static_cast<Wide>(part.position) + part.steps > pages.steps_of(static_cast<size_t>(part.entry)))
      throw InvalidProblem("Expected new steps to have a page");
  }
  require_new_rows(key, problem, problem.width);
  require_new_rows(value, problem, problem.value_width);
  problem.pages = pages.tables({cached_key, cached_value, problem.heads, problem.width, problem.value_width});
  problem.key = key.as<View>();
  problem.value = value.as<View>();
  problem.cached_key = cached_key.paged<MutableView>(problem.pages->key);
  problem.cached_value = cached_value.paged<MutableView>(problem.pages->value);
  return problem;
}

}  // namespace heed
