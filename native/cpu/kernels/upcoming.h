// What a pass will read next, requested early.
#pragma once

#include <cstdint>

namespace heed::cpu::HEED_ISA {

// Requests the rows of the next pass while this pass computes, in the order of their addresses, so that the
// processor's own prefetchers take over. Only into L2, because in L1 they would evict the data of this pass.
template <class Element>
class Upcoming {
 public:
  Upcoming() = default;
  Upcoming(const Element* rows, int64_t stride, int64_t count, int64_t width)
      : at_{rows}, end_{rows + width}, width_{width}, gap_{stride - width}, rows_{count} {
    if (gap_ != 0) return;
    end_ = rows + count * width;  // no row ends before the last
    rows_ = count < 1 ? count : 1;
  }

  // As many elements as a step multiplies; of several such steps that share a line, the first requests it.
  template <int64_t elements>
  void request(int64_t step) {
    if constexpr (elements >= line) {
#pragma GCC unroll 8
      for (int i = 0; i < elements / line; ++i) request_line();
    } else {
      if (step % (line / elements) == 0) request_line();
    }
  }

 private:
  static constexpr int64_t line = 64 / sizeof(Element);

  void request_line() {
    if (rows_ == 0) return;
    __builtin_prefetch(at_, 0, 2);
    at_ += line;
    if (at_ < end_) return;
    at_ = end_ + gap_;
    end_ = at_ + width_;
    --rows_;
  }

  const Element *at_, *end_;
  int64_t width_, gap_, rows_;
};
struct NothingUpcoming {
  static constexpr int requests = 0;
  static const char* at(int64_t) { return nullptr; }
  static int64_t distance_of(int64_t) { return 0; }
  static void request(int64_t) {}
  template <int64_t>
  static void request(int64_t) {}
};

// Requests at even distances, at the pace of passes that take many steps for what they read: several steps
// may request the same line, which costs less than to tell.
template <int count>
struct Paced {
  static constexpr int requests = count;
  const char* from;
  int64_t distance;
  const char* at(int64_t step) const { return from + step * count * distance; }
  int64_t distance_of(int64_t steps) const { return steps * count * distance; }
  void request(int64_t step) const {
#pragma GCC unroll 8
    for (int i = 0; i < requests; ++i) __builtin_prefetch(from + (step * requests + i) * distance, 0, 2);
  }
};

}  // namespace heed::cpu::HEED_ISA
