// Reads encoded problems from front to back and proves that all they reach lies inside their memory.
#pragma once

#include <cmath>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "addon/memory.h"
#include "core/view.h"

namespace heed {

class NumberReader {
 public:
  explicit NumberReader(std::span<const double> numbers) : numbers_(numbers) {}

  double real() {
    if (next_ == numbers_.size()) fail("one more number");
    return numbers_[next_++];
  }

  int64_t integer(int64_t low, int64_t high) {
    const double value = real();
    if (!(value >= static_cast<double>(low) && value <= static_cast<double>(high)) ||
        value != std::floor(value)) {
      fail("an integer from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return static_cast<int64_t>(value);
  }

  int64_t length() { return integer(0, largest_integer); }
  bool flag() { return integer(0, 1) == 1; }

  // The number of items that follow, each of at least `size` numbers: at most as many as the remaining
  // numbers allow.
  int64_t count(size_t size = 1) {
    if (next_ == numbers_.size()) fail("one more number");
    const size_t left = numbers_.size() - next_ - 1;  // after the count itself
    return integer(0, static_cast<int64_t>(left / size));
  }

  template <class T>
  std::vector<T> list() {
    const auto size = static_cast<size_t>(count());
    const auto values = numbers_.subspan(next_, size);
    next_ += size;
    return std::vector<T>(values.begin(), values.end());
  }

  void expect_end() const {
    if (next_ != numbers_.size()) fail("no more numbers");
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    throw InvalidProblem("Expected " + expected + " before position " + std::to_string(next_) +
                         " of an encoded problem");
  }

  std::span<const double> numbers_;
  size_t next_ = 0;
};

struct Axis {
  int64_t length;
  int64_t stride;
};

// The pages of one sequence.
struct PageList {
  std::vector<int64_t> pages;
  int64_t last = -1;  // the largest page number
};

// A reader with the memory that the numbers refer to.
class Reader : public NumberReader {
 public:
  Reader(std::span<const double> numbers, std::span<const Memory> memories)
      : NumberReader(numbers), memories_(memories) {}

  // Reads the next number as the index of a buffer. At most one of its `data` and `packed` is set.
  const Memory& memory();
  // −1 means none.
  const Memory* optional_memory();
  // A typed array of at least `elements` elements, all accessible.
  void* contiguous(DType type, Wide elements);

  DType type();
  DType floating_type();
  // A floating or a scaled type.
  DType stored_type();

  // A new list, or an earlier one. It lives as long as the reader.
  const PageList& page_list();

 private:
  std::span<const Memory> memories_;
  std::deque<PageList> page_lists_;
};

// How many elements fit into the memory. Throws if the memory cannot hold elements of `type`.
int64_t capacity(const Memory& memory, DType type);

// Walks the axes from element `offset` and touches `width` elements at each position: all of them must lie
// inside the memory.
void require_inside(const Memory& memory, DType type, Wide offset, std::initializer_list<Axis> axes,
                    int64_t width);

// Types and strides of a view, not yet checked against a shape.
struct EncodedView {
  const Memory* memory = nullptr;
  DType type = DType::float32;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t step_stride = 0;

  static EncodedView read(Reader& from);
  static EncodedView read_optional(Reader& from);
  // Reads a view of keys or values that may lie in a cache. If they do, the memory is that of any of its
  // pages.
  static EncodedView read_stored(Reader& from);

  template <class View>
  View as() const {
    return {memory->data, type, batch_stride, head_stride, step_stride};
  }
  template <class View>
  View paged(const Pages& pages) const {
    return {nullptr, type, 0, head_stride, step_stride, &pages};
  }

 private:
  void read_strides(Reader& from);
};

}  // namespace heed
