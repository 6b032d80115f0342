// Tests append on the emulator: every element arrives at its place, and nothing else is touched.
#include "cuda/launchers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "cuda/unsupported.h"
#include "support/drawn.h"
#include "support/half.h"
#include "support/random.h"
#include "support/sparse.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;

// Values that every type represents exactly.
Buffer new_rows(Random& random, DType type, int64_t size) {
  Buffer rows(type, size);
  for (int64_t i = 0; i < size; ++i) rows.set(i, static_cast<double>(random.integer(-64, 64)) / 32);
  return rows;
}

// The key side or the value side: new rows, and the pages of a cache, which contain NaN where nothing is
// written.
struct Side {
  Side(Random& random, int64_t batch, int64_t heads, int64_t steps, int64_t width, int64_t page_steps,
       int64_t pages)
      : from(new_rows(random, random.pick(types), batch * heads * steps * width)),
        type(random.pick(types)),
        view{from.data(), from.type(), heads * steps * width, width, heads * width},
        cached{nullptr, type, 0, page_steps * width, width},
        width(width) {
    for (int64_t i = 0; i < pages; ++i)
      stored.push_back(std::make_unique<Buffer>(type, heads * page_steps * width));
  }

  void give(Machine& machine) {
    machine.input(from.data(), bytes_of(from), "new");
    for (const auto& buffer : stored) machine.output(buffer->data(), bytes_of(*buffer), "page");
  }
  std::vector<void*> pages() const {
    std::vector<void*> pages;
    for (const auto& buffer : stored) pages.push_back(buffer->data());
    return pages;
  }

  void check(const AppendProblem& problem, int64_t page_steps) const {
    int64_t wrong = 0, written = 0, expected = 0;
    for (const AppendProblem::Part& part : problem.parts) {
      for (int64_t i = 0; i < part.steps * problem.heads * width; ++i) {
        const int64_t d = i % width, head = i / width % problem.heads, step = i / width / problem.heads;
        const int64_t position = part.position + step;
        const double truth = from[part.entry * view.batch_stride + head * view.head_stride +
                                  (part.start + step) * view.step_stride + d];
        const int64_t page = problem.pages->first[static_cast<size_t>(part.entry)] + position / page_steps;
        wrong +=
            (*stored[static_cast<size_t>(page)])[(head * page_steps + position % page_steps) * width + d] !=
            truth;
        ++expected;
      }
    }
    for (const auto& buffer : stored) {
      for (int64_t i = 0; i < buffer->size(); ++i) written += !std::isnan((*buffer)[i]);
    }
    CHECK(wrong == 0);
    CHECK(written == expected);
  }

  Buffer from;
  DType type;
  View view;
  MutableView cached;
  int64_t width;
  std::vector<std::unique_ptr<Buffer>> stored;
};

std::shared_ptr<PageTables> tables_of(std::vector<int64_t> first, std::vector<void*> keys,
                                      std::vector<void*> values, int64_t page_steps) {
  auto tables = std::make_shared<PageTables>();
  tables->first = std::move(first);
  tables->keys = std::move(keys);
  tables->values = std::move(values);
  tables->key = {page_steps, tables->first.data(), tables->keys.data()};
  tables->value = {page_steps, tables->first.data(), tables->values.data()};
  return tables;
}

void append_and_compare(Random& random) {
  // 25 parts lie in the parameters of the kernel.
  const int64_t batch = random.chance(0.1) ? 30 : random.integer(1, 3), heads = random.integer(1, 3),
                steps = random.integer(0, 9);
  // A page of 40 steps is a contiguous cache, one page per entry.
  constexpr int64_t capacity = 40;
  const int64_t page_steps = random.pick<int64_t>({1, 3, 16, 40, 40});
  const int64_t pages_per_entry = (capacity + page_steps - 1) / page_steps, pages = batch * pages_per_entry;
  const auto side = [&] {
    return Side(random, batch, heads, steps, random.pick<int64_t>({1, 7, 8, 64, 130}), page_steps, pages);
  };
  Side key = side(), value = side();
  AppendProblem problem;
  problem.heads = heads;
  problem.key_width = key.width;
  problem.value_width = value.width;
  problem.key = key.view;
  problem.value = value.view;
  problem.cached_key = key.cached;
  problem.cached_value = value.cached;
  std::vector<int64_t> first;
  for (int64_t b = 0; b < batch; ++b) {
    first.push_back(b * pages_per_entry);
    const int64_t start = random.integer(0, steps), count = random.integer(0, steps - start);
    problem.parts.push_back({b, start, count, random.integer(0, capacity - count)});
  }
  problem.pages = tables_of(first, key.pages(), value.pages(), page_steps);
  problem.cached_key.pages = &problem.pages->key;
  problem.cached_value.pages = &problem.pages->value;
  Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
  key.give(machine);
  value.give(machine);
  EmulatedWorkspace workspace(machine);
  cuda::append(problem, workspace);
  key.check(problem, page_steps);
  value.check(problem, page_steps);
}

}  // namespace

TEST_CASE("append: into contiguous and paged caches, from any type to any") {
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(6'000'000 + stream);
    append_and_compare(random);
  }
}

TEST_CASE("append: moves whole sectors, each once") {
  Machine machine(1);
  constexpr int64_t steps = 16, width = 128;
  const std::vector<float> zeros(static_cast<size_t>(steps * width));
  const DeviceMemory key(machine, "new", DeviceMemory::Use::input, zeros),
      value(machine, "new", DeviceMemory::Use::input, zeros);
  const DeviceMemory keys(machine, "page", DeviceMemory::Use::output, nullptr, zeros.size() * 2),
      values(machine, "page", DeviceMemory::Use::output, nullptr, zeros.size() * 2);
  EmulatedWorkspace workspace(machine);
  AppendProblem problem;
  problem.heads = 1;
  problem.key_width = problem.value_width = width;
  problem.parts = {{0, 0, steps, 0}};
  problem.key = {key.data(), DType::float32, 0, width, width};
  problem.value = {value.data(), DType::float32, 0, width, width};
  problem.pages = tables_of({0}, {keys.data()}, {values.data()}, steps);
  problem.cached_key = {nullptr, DType::float16, 0, width, width, &problem.pages->key};
  problem.cached_value = {nullptr, DType::float16, 0, width, width, &problem.pages->value};
  cuda::append(problem, workspace);
  const Counts loads = machine.counts_within("load_global"), stores = machine.counts_within("store_global");
  CHECK(loads.global_loads.bytes == 2 * zeros.size() * 4);
  CHECK(loads.global_loads.wasted() == 0);
  CHECK(stores.global_stores.bytes == 2 * zeros.size() * 2);
  CHECK(stores.global_stores.wasted() == 0);
}

TEST_CASE("append: a cache of another type is refused") {
  Machine machine(1);
  EmulatedWorkspace workspace(machine);
  AppendProblem problem;
  problem.heads = problem.key_width = problem.value_width = 1;
  problem.parts = {{0, 0, 1, 0}};
  problem.cached_value.type = DType::boolean;
  CHECK_THROWS_AS(cuda::append(problem, workspace), cuda::Unsupported);
  problem.cached_value.type = DType::float32;
  problem.key.type = DType::int8;
  CHECK_THROWS_AS(cuda::append(problem, workspace), cuda::Unsupported);
}

TEST_CASE("append: reaches beyond 2^31 elements") {
  constexpr int64_t steps = 2, width = 8, far = (int64_t{1} << 31) + 64;
  Random random(7);
  for (const DType type : {DType::float16, DType::float32}) {
    // The new steps, and the heads of the cache's only page, lie far apart.
    const size_t bytes = static_cast<size_t>(far + 2 * steps * width) * size_of(type);
    const Sparse from(bytes), key(bytes), value(bytes);
    Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
    AppendProblem problem;
    problem.heads = 2;
    problem.key_width = problem.value_width = width;
    problem.key = problem.value = {from.data(), type, 0, width, far};
    problem.parts = {{0, 0, steps, 0}};
    const auto tables = tables_of({0}, {key.data()}, {value.data()}, steps);
    problem.pages = tables;
    problem.cached_key = {nullptr, type, 0, far, width, &tables->key};
    problem.cached_value = {nullptr, type, 0, far, width, &tables->value};
    double element = 0;
    for (int64_t step = 0; step < steps; ++step) {
      for (int64_t i = 0; i < 2 * width; ++i) test::write(from.data(), type, step * far + i, ++element);
    }
    machine.input(from.data(), bytes, "new");
    machine.output(key.data(), bytes, "keys");
    machine.output(value.data(), bytes, "values");
    EmulatedWorkspace workspace(machine);
    cuda::append(problem, workspace);
    int64_t wrong = 0;
    for (const Sparse* cached : {&key, &value}) {
      for (int64_t head = 0; head < 2; ++head) {
        for (int64_t i = 0; i < steps * width; ++i) {
          const double truth = test::read(from.data(), type, i / width * far + head * width + i % width);
          wrong += test::read(cached->data(), type, head * far + i) != truth;
        }
      }
    }
    CHECK(wrong == 0);
  }
}

}  // namespace heed::emulator
