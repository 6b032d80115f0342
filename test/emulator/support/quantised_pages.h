// Keys or values of a scaled type in pages on the emulator, and the numbers that they stand for.
#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "core/outliers.h"
#include "core/problem.h"
#include "machine/device_memory.h"
#include "support/float8.h"
#include "support/half.h"
#include "support/random.h"

namespace heed::emulator {

struct QuantisedPagesOptions {
  DType type = DType::int8;
  int64_t page_steps = 16;
  bool outliers = false;
  double not_finite = 0;  // how many rows are
  double huge = 0;        // how many have elements that float16 does not hold
};

// Random rows for all steps of a problem. Scales have few bits, so that float32 holds what is stored. Unused
// steps of a page are other codes than rows have, times NaN.
class QuantisedPages {
 public:
  QuantisedPages(test::Random& random, Machine& machine, const AttentionProblem& problem, int64_t keys,
                 int64_t width, const QuantisedPagesOptions& options)
      : numbers(DType::float32,
                static_cast<int64_t>(problem.sequences.size()) * problem.key_heads * keys * width),
        view{numbers.data(), DType::float32, problem.key_heads * keys * width, keys * width, width},
        type_(options.type) {
    const int64_t heads = problem.key_heads, steps = options.page_steps, pitch = outlier_pitch(width);
    const int64_t blocks = (steps + outlier_block - 1) / outlier_block;
    for (size_t b = 0; b < problem.sequences.size(); ++b) {
      first.push_back(static_cast<int64_t>(pages.size()));
      for (int64_t begin = 0; begin < keys; begin += steps) {
        std::vector<uint8_t> page(static_cast<size_t>(heads * steps * width), 0x80);
        std::vector<float> page_scales(static_cast<size_t>(heads * steps), NAN);
        std::vector<uint8_t> levels(static_cast<size_t>(heads * outlier_bytes(width, steps)), never_outlier);
        for (size_t i = 0; options.outliers && i < levels.size(); ++i) {
          const size_t level = i / static_cast<size_t>(pitch) % outlier_levels;
          const auto of_first = level == 0 ? 0 : levels[i - static_cast<size_t>(pitch)];
          if (of_first != never_outlier && random.chance(level == 0 ? 0.1 : 0.5))
            levels[i] = static_cast<uint8_t>(random.integer(of_first, 140));
        }
        for (int64_t h = 0; h < heads; ++h) {
          for (int64_t i = 0; i < steps && begin + i < keys; ++i) {
            const bool special = random.chance(options.not_finite);
            // Numbers of float8 may be NaN without their scale.
            const bool finite = !special || (type_ == DType::float8 && random.chance(0.5));
            const int64_t nan_at = special && finite ? random.integer(0, width - 1) : -1;
            const int exponent = random.chance(options.huge) ? 18 : static_cast<int>(random.integer(-2, 0));
            const double scale =
                finite ? std::ldexp(static_cast<double>(random.integer(64, 127)), exponent - 13) : NAN;
            page_scales[static_cast<size_t>(h * steps + i)] = static_cast<float>(scale);
            for (int64_t d = 0; d < width; ++d) {
              const auto [code, multiple] = element(d == nan_at ? NAN : finite ? random.normal() : 0);
              page[static_cast<size_t>((h * steps + i) * width + d)] = code;
              const int64_t block = ((h * blocks + i / outlier_block) * outlier_levels) * pitch;
              int64_t level = 0;
              for (int64_t l = 0; l < outlier_levels; ++l)
                level += i % outlier_block >= levels[static_cast<size_t>(block + l * pitch + d)];
              const double factor = options.outliers ? double{outlier_factors[level]} : 1;
              numbers.set(static_cast<int64_t>(b) * view.batch_stride + h * view.head_stride +
                              (begin + i) * view.step_stride + d,
                          multiple * scale * factor);
            }
          }
        }
        pages.push_back(give(machine, page)->data());
        scales.push_back(give(machine, page_scales)->as<float>());
        outliers.push_back(give(machine, levels)->as<uint8_t>());
      }
    }
  }

  test::Buffer numbers;
  View view;  // of the numbers: [batch, heads, keys, width]
  std::vector<int64_t> first;
  std::vector<void*> pages;
  std::vector<float*> scales;
  std::vector<uint8_t*> outliers;

 private:
  // A code, and the multiple that it stands for.
  std::pair<uint8_t, double> element(double normal) const {
    if (type_ == DType::float8) {
      if (std::isnan(normal)) return {0x7f, NAN};
      const uint8_t code = test::nearest_float8(normal * 150);
      return {code, test::float8_number(code)};
    }
    const auto multiple = std::clamp<int64_t>(std::lround(normal * 50), -127, 127);
    return {static_cast<uint8_t>(multiple), static_cast<double>(multiple)};
  }

  template <class T>
  const DeviceMemory* give(Machine& machine, const std::vector<T>& values) {
    memory_.push_back(std::make_unique<DeviceMemory>(machine, "page", DeviceMemory::Use::input, values));
    return memory_.back().get();
  }

  DType type_;
  std::vector<std::unique_ptr<DeviceMemory>> memory_;
};

// The problem over pages instead of the numbers.
inline AttentionProblem over_pages(const AttentionProblem& problem, const QuantisedPages& keys,
                                   const QuantisedPages& values, const QuantisedPagesOptions& options) {
  const auto tables = std::make_shared<PageTables>();
  tables->first = keys.first;
  tables->keys = keys.pages;
  tables->values = values.pages;
  tables->key_scales = keys.scales;
  tables->value_scales = values.scales;
  if (options.outliers) tables->key_outliers = keys.outliers;
  const int64_t steps = options.page_steps;
  tables->key = {steps,
                 tables->first.data(),
                 tables->keys.data(),
                 tables->key_scales.data(),
                 options.outliers ? tables->key_outliers.data() : nullptr,
                 outlier_pitch(problem.key_width),
                 outlier_bytes(problem.key_width, steps)};
  tables->value = {steps, tables->first.data(), tables->values.data(), tables->value_scales.data()};
  AttentionProblem paged = problem;
  paged.pages = tables;
  paged.key = {nullptr, options.type, 0, steps * problem.key_width, problem.key_width, &tables->key};
  paged.value = {nullptr, options.type, 0, steps * problem.value_width, problem.value_width, &tables->value};
  return paged;
}

}  // namespace heed::emulator
