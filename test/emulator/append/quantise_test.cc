// Tests that append writes to a cache of a scaled type the very bytes that the CPU writes, whatever came
// before.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/outliers.h"
#include "cpu/backend.h"
#include "cuda/launchers.h"
#include "support/half.h"
#include "support/random.h"
#include "support/run.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;

struct Form {
  int64_t batch, heads, width, page_steps, pages_per_entry;
  bool outliers;
  int64_t steps() const { return page_steps * pages_per_entry; }
};

// The pages of keys or of values. Whatever nobody writes stays 0xff.
struct Pages8 {
  explicit Pages8(const Form& form)
      : elements(copies(form, form.heads * form.page_steps * form.width)),
        scales(copies(form, form.heads * form.page_steps * 4)),
        outliers(copies(form, form.heads * outlier_bytes(form.width, form.page_steps))) {}

  static std::vector<std::vector<uint8_t>> copies(const Form& form, int64_t bytes) {
    return std::vector<std::vector<uint8_t>>(static_cast<size_t>(form.batch * form.pages_per_entry),
                                             std::vector<uint8_t>(static_cast<size_t>(bytes), 0xff));
  }
  template <class T>
  static std::vector<T*> pointers(std::vector<std::vector<uint8_t>>& pages) {
    std::vector<T*> all;
    for (auto& page : pages) all.push_back(reinterpret_cast<T*>(page.data()));
    return all;
  }
  void give(Machine& machine) {
    for (auto* fields : {&elements, &scales, &outliers}) {
      for (auto& page : *fields) machine.in_out(page.data(), page.size(), "page");
    }
  }
  bool operator==(const Pages8&) const = default;

  std::vector<std::vector<uint8_t>> elements, scales, outliers;
};

struct Cache8 {
  Cache8(DType of, const Form& key, const Form& value)
      : type(of), key_form(key), value_form(value), keys(key), values(value) {}

  // Refers to pages, for an append of `key` and `value`.
  AppendProblem problem(const View& key, const View& value, std::vector<AppendProblem::Part> parts) {
    auto tables = std::make_shared<PageTables>();
    for (int64_t b = 0; b < key_form.batch; ++b) tables->first.push_back(b * key_form.pages_per_entry);
    tables->keys = Pages8::pointers<void>(keys.elements);
    tables->values = Pages8::pointers<void>(values.elements);
    tables->key_scales = Pages8::pointers<float>(keys.scales);
    tables->value_scales = Pages8::pointers<float>(values.scales);
    if (key_form.outliers) tables->key_outliers = Pages8::pointers<uint8_t>(keys.outliers);
    tables->key = {key_form.page_steps,
                   tables->first.data(),
                   tables->keys.data(),
                   tables->key_scales.data(),
                   key_form.outliers ? tables->key_outliers.data() : nullptr,
                   outlier_pitch(key_form.width),
                   outlier_bytes(key_form.width, key_form.page_steps)};
    tables->value = {key_form.page_steps, tables->first.data(), tables->values.data(),
                     tables->value_scales.data()};
    AppendProblem problem;
    problem.parts = std::move(parts);
    problem.heads = key_form.heads;
    problem.key_width = key_form.width;
    problem.value_width = value_form.width;
    problem.key = key;
    problem.value = value;
    problem.pages = tables;
    problem.cached_key = {nullptr,        type,        0, key_form.page_steps * key_form.width,
                          key_form.width, &tables->key};
    problem.cached_value = {nullptr,          type,          0, key_form.page_steps * value_form.width,
                            value_form.width, &tables->value};
    return problem;
  }

  DType type;
  Form key_form, value_form;
  Pages8 keys, values;
};

// Some channels are always, or from some step on, many times as large as the others; some rows are zeros,
// tiny, huge or not finite.
Buffer new_rows(Random& random, DType type, const Form& form, int64_t steps, bool surely_outliers) {
  Buffer rows(type, form.batch * form.heads * steps * form.width);
  std::vector<double> channels(static_cast<size_t>(form.heads * form.width), 1);
  const double rare = random.pick({0.0, 0.002, 0.03});
  for (double& channel : channels) {
    if (random.chance(rare)) channel = random.pick({15.0, 60.0, 300.0, 3000.0});
  }
  if (surely_outliers) channels[0] = 300;
  const double odd = random.pick({0.0, 0.05, 0.3});
  for (int64_t i = 0; i < rows.size(); i += form.width) {
    const int64_t head = i / form.width / steps % form.heads;
    const double tiny = type == DType::float16 ? 1e-6 : 1e-40, huge = type == DType::float16 ? 6e4 : 3.3e38;
    const double magnitude = random.chance(odd) ? random.pick({0.0, tiny, tiny * 100, huge, 1.0}) : 1;
    for (int64_t d = 0; d < form.width; ++d) {
      const double x = random.normal() * channels[static_cast<size_t>(head * form.width + d)];
      rows.set(i + d,
               magnitude == huge ? std::copysign(std::fmin(std::fabs(x), 1) * huge, x) : x * magnitude);
    }
    if (random.chance(odd / 4)) {
      rows.set(i + random.integer(0, form.width - 1), random.pick<double>({NAN, INFINITY, -INFINITY}));
    }
    // Several of the same magnitude.
    if (random.chance(odd)) {
      for (int j = 0; j < 3; ++j) rows.set(i + random.integer(0, form.width - 1), random.pick({4.0, -4.0}));
    }
  }
  return rows;
}

View view_of(Buffer& rows, const Form& form, int64_t steps) {
  return {rows.data(), rows.type(), form.heads * steps * form.width, steps * form.width, form.width};
}

}  // namespace

TEST_CASE("append: caches of int8 and of float8 get the same bytes as on the CPU") {
  int64_t with_outliers = 0;
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(6'500'000 + stream);
    const bool surely_outliers = stream == 0;
    const DType stored = stream % 3 == 2 ? DType::float8 : DType::int8;
    const auto width = [&] {
      return surely_outliers ? 64 : random.pick<int64_t>({1, 7, 15, 16, 17, 33, 64, 64, 128, 130});
    };
    const auto page_steps = random.pick<int64_t>({1, 3, 16, 64, 128, 130, 300});
    const Form key{random.integer(1, 2),
                   random.integer(1, 2),
                   width(),
                   page_steps,
                   1 + random.integer(150, 400) / page_steps,
                   false};
    Form key_form = key, value_form = key;
    key_form.outliers =
        stored == DType::int8 && key.width >= least_outlier_width && (surely_outliers || random.chance(0.9));
    value_form.width = width();
    Cache8 cpu(stored, key_form, value_form), cuda(stored, key_form, value_form);
    std::vector<int64_t> lengths(static_cast<size_t>(key.batch), 0);
    for (int round = 0; round < 4; ++round) {
      const int64_t steps = random.pick<int64_t>({1, 1, 9, random.integer(1, 180)});
      const auto type = [&] { return random.pick({DType::float32, DType::float16, DType::bfloat16}); };
      Buffer keys = new_rows(random, type(), key_form, steps, surely_outliers),
             values = new_rows(random, type(), value_form, steps, false);
      std::vector<AppendProblem::Part> parts;
      for (int64_t b = 0; b < key.batch; ++b) {
        int64_t& length = lengths[static_cast<size_t>(b)];
        if (random.chance(0.2)) length = random.integer(0, length);  // steps were removed
        const int64_t start = random.integer(0, steps - 1);
        const int64_t count = std::min(random.integer(0, steps - start), key.steps() - length);
        parts.push_back({b, start, count, length});
        length += count;
      }
      const View key_view = view_of(keys, key_form, steps), value_view = view_of(values, value_form, steps);
      Plan plan;
      cpu::plan(cpu.problem(key_view, value_view, parts), plan);
      test::run(plan, random);

      Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
      for (Buffer* rows : {&keys, &values})
        machine.input(rows->data(), static_cast<size_t>(rows->size()) * size_of(rows->type()), "new");
      cuda.keys.give(machine);
      cuda.values.give(machine);
      EmulatedWorkspace workspace(machine);
      cuda::append(cuda.problem(key_view, value_view, parts), workspace);
      CHECK(cuda.keys.elements == cpu.keys.elements);
      CHECK(cuda.keys.scales == cpu.keys.scales);
      CHECK(cuda.keys.outliers == cpu.keys.outliers);
      CHECK(cuda.values == cpu.values);
    }
    for (const auto& page : cpu.keys.outliers) {
      for (const uint8_t from : page) with_outliers += from != never_outlier;
    }
  }
  CHECK(with_outliers > 0);
}

}  // namespace heed::emulator
