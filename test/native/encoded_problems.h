// Random problems in the encoding of lib/backends/native.
#pragma once

#include <initializer_list>
#include <memory>
#include <vector>

#include "addon/memory.h"
#include "cpu/backend.h"
#include "support/guarded.h"
#include "support/random.h"

namespace heed::test {

// Numbers and the buffers that they refer to.
class Encoded {
 public:
  explicit Encoded(Random& random) : random_(random) {}

  void add(double number) { numbers.push_back(number); }
  void add(std::initializer_list<double> more) { numbers.insert(numbers.end(), more); }

  // A buffer of exactly `elements` elements; random bits produce every kind of number.
  double buffer(int64_t elements, DType type) {
    auto memory =
        std::make_unique<Guarded>(static_cast<size_t>(elements) * size_of(type), random_.chance(0.5));
    for (size_t i = 0; i < memory->bytes(); ++i)
      memory->data()[i] = static_cast<uint8_t>(random_.integer(0, 255));
    memories.push_back({memory->data(), memory->bytes(), nullptr});
    owned_.push_back(std::move(memory));
    return static_cast<double>(memories.size() - 1);
  }

  double packed(int64_t columns, int64_t inner) {
    const std::vector<float> weight(static_cast<size_t>(columns * inner), 1.0f);
    weights_.push_back(cpu::pack_weight(weight.data(), DType::float32, columns, inner));
    memories.push_back({nullptr, 0, weights_.back().get()});
    return static_cast<double>(memories.size() - 1);
  }

  void view(int64_t batch, int64_t heads, int64_t steps, int64_t width, DType type) {
    const double index = buffer(batch * heads * steps * width, type);
    if (random_.chance(0.5)) {
      add({index, number_of(type), double(heads * steps * width), double(steps * width), double(width)});
    } else {
      add({index, number_of(type), double(heads * steps * width), double(width), double(heads * width)});
    }
  }

  static double number_of(DType type) { return static_cast<double>(type); }

  // An earlier list with the same number of pages, all below `known`; otherwise a new one.
  void page_list(int64_t pages, int64_t known) {
    for (size_t index = 0; index < page_lists_.size(); ++index) {
      if (page_lists_[index] == pages && pages <= known && random_.chance(0.5)) return add(double(index));
    }
    add({double(page_lists_.size()), double(pages)});
    for (int64_t page = 0; page < pages; ++page) add(double(page));
    page_lists_.push_back(pages);
  }

  std::vector<double> numbers;
  std::vector<Memory> memories;

 private:
  Random& random_;
  std::vector<int64_t> page_lists_;  // the number of pages of each list
  std::vector<std::unique_ptr<Guarded>> owned_;
  std::vector<std::unique_ptr<const PackedWeight>> weights_;
};

// Adds a problem of any kind, beginning with its kind.
void add_problem(Encoded& to, Random& random);

}  // namespace heed::test
