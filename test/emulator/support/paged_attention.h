// Moves keys and values of an attention problem into the pages of a cache on the emulator.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "core/problem.h"
#include "machine/device_memory.h"
#include "support/random.h"

namespace heed::emulator {

// Pages lie at arbitrary places, some of them unaligned unless all are to be aligned; unused steps of a page
// are NaN.
class PagedAttention {
 public:
  PagedAttention(test::Random& random, Machine& machine, const AttentionProblem& contiguous,
                 int64_t page_steps, bool aligned = false)
      : problem(contiguous), aligned_(aligned) {
    const auto tables = std::make_shared<PageTables>();
    for (size_t b = 0; b < problem.sequences.size(); ++b) {
      tables->first.push_back(static_cast<int64_t>(tables->keys.size()));
      for (int64_t begin = 0; begin < problem.sequences[b].key_steps; begin += page_steps) {
        tables->keys.push_back(
            page(random, machine, contiguous, contiguous.key, problem.key_width, b, begin, page_steps));
        tables->values.push_back(
            page(random, machine, contiguous, contiguous.value, problem.value_width, b, begin, page_steps));
      }
      problem.sequences[b].key_start = 0;
    }
    tables->key = {page_steps, tables->first.data(), tables->keys.data()};
    tables->value = {page_steps, tables->first.data(), tables->values.data()};
    problem.pages = tables;
    problem.key = {nullptr,           problem.key.type, 0, page_steps * problem.key_width,
                   problem.key_width, &tables->key};
    problem.value = {
        nullptr,       problem.value.type, 0, page_steps * problem.value_width, problem.value_width,
        &tables->value};
  }

  AttentionProblem problem;

 private:
  void* page(test::Random& random, Machine& machine, const AttentionProblem& from, const View& view,
             int64_t width, size_t batch, int64_t begin, int64_t page_steps) {
    const auto bytes = static_cast<int64_t>(size_of(view.type));
    const Sequence& sequence = from.sequences[batch];
    std::vector<uint8_t> rows(static_cast<size_t>(from.key_heads * page_steps * width * bytes), 0xff);
    for (int64_t h = 0; h < from.key_heads; ++h) {
      for (int64_t i = 0; i < page_steps && begin + i < sequence.key_steps; ++i) {
        const int64_t at = static_cast<int64_t>(batch) * view.batch_stride + h * view.head_stride +
                           (sequence.key_start + begin + i) * view.step_stride;
        std::memcpy(rows.data() + (h * page_steps + i) * width * bytes,
                    static_cast<const uint8_t*>(view.data) + at * bytes, static_cast<size_t>(width * bytes));
      }
    }
    const auto offset = static_cast<size_t>(aligned_ ? 0 : bytes * random.pick<int64_t>({0, 0, 1}));
    memory_.push_back(std::make_unique<DeviceMemory>(machine, "page", DeviceMemory::Use::input, rows.data(),
                                                     rows.size(), offset));
    return memory_.back()->data();
  }

  bool aligned_;
  std::vector<std::unique_ptr<DeviceMemory>> memory_;
};

}  // namespace heed::emulator
