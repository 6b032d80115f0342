// Reads the numbers of encoded problems, front to back.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace heed {

// What lib/native sent makes no sense. The facade lets no such problem through, so this is a defect of heed,
// but one that must not become an access out of bounds.
class InvalidProblem : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// The largest integer that a JavaScript number holds exactly.
constexpr int64_t largest_integer = (int64_t{1} << 53) - 1;

// The longest axis that kernels count along.
constexpr int64_t largest_axis = std::numeric_limits<int32_t>::max();

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

  // How many items follow, of at least `size` numbers each: never more than there are numbers left.
  int64_t count(size_t size = 1) {
    if (next_ == numbers_.size()) fail("one more number");
    const size_t left = numbers_.size() - next_ - 1;  // behind the count itself
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

}  // namespace heed
