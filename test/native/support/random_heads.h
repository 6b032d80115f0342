// Random heads to copy, and what they become. All inputs are small multiples of 1/32, so that float32 holds
// every sum and product exactly, and a result is rounded once: to its type.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "core/problem.h"
#include "support/half.h"
#include "support/random.h"

namespace heed::test {

inline Buffer random_grid(Random& random, DType type, int64_t size) {
  Buffer buffer(type, size);
  for (int64_t i = 0; i < size; ++i) buffer.set(i, static_cast<double>(random.integer(-64, 64)) / 32);
  return buffer;
}

// Where heads lie: [batch, heads, steps, width], or in steps that may hold other rows.
struct HeadsLayout {
  HeadsLayout(Random& random, const HeadsProblem& p) {
    if (random.chance(0.4)) {
      strides = {nullptr, p.from.type, p.heads * p.steps * p.width, p.steps * p.width, p.width};
    } else {
      const int64_t apart = random.integer(1, 3), rows = p.heads * apart + random.integer(0, 2);
      strides = {nullptr, p.from.type, p.steps * rows * p.width, apart * p.width, rows * p.width};
    }
    size = p.batch * strides.batch_stride;
  }
  int64_t at(int64_t entry, int64_t head, int64_t step) const {
    return entry * strides.batch_stride + head * strides.head_stride + step * strides.step_stride;
  }
  MutableView strides;
  int64_t size;
};

constexpr int64_t random_positions = 9;

// Its memory is added by RandomHeads.
inline HeadsProblem random_heads_shape(Random& random) {
  HeadsProblem p;
  p.from.type = random.pick({DType::float32, DType::float16, DType::bfloat16});
  p.batch = random.integer(0, 3);
  p.heads = random.integer(1, 4);
  p.steps = random.integer(0, 6);
  p.width = random.pick({random.integer(1, 9), random.integer(30, 150)});
  p.from_start = random.integer(0, 2) * random.integer(0, 9);
  p.bias_start = random.integer(0, 9);
  p.pairs = random.chance(0.3) ? 0 : random.integer(0, p.width / 2);
  p.interleaved = random.chance(0.5);
  if (random.chance(0.6)) {
    for (int64_t row = 0; row < p.batch * p.steps; ++row)
      p.positions.push_back(random.integer(0, random_positions - 1));
  }
  return p;
}

// The problem points to the memory of the buffers.
struct RandomHeads {
  explicit RandomHeads(Random& random) : RandomHeads(random, random_heads_shape(random)) {
    if (random.chance(0.5)) problem.bias = nullptr;
  }
  RandomHeads(Random& random, const HeadsProblem& shape)
      : problem(shape),
        from_layout(random, problem),
        to_layout(random, problem),
        from(random_grid(random, problem.from.type, problem.from_start + from_layout.size)),
        to(problem.from.type, to_layout.size),
        bias(random_grid(random, problem.from.type, problem.bias_start + problem.heads * problem.width)),
        cos(random_grid(random, problem.from.type, table_rows() * problem.pairs)),
        sin(random_grid(random, problem.from.type, table_rows() * problem.pairs)) {
    problem.to = to_layout.strides;
    problem.to.data = to.data();
    const MutableView& source = from_layout.strides;
    problem.from = {from.data(), source.type, source.batch_stride, source.head_stride, source.step_stride};
    problem.bias = bias.data();
    problem.cos = cos.data();
    problem.sin = sin.data();
  }
  RandomHeads(const RandomHeads&) = delete;
  RandomHeads& operator=(const RandomHeads&) = delete;

  int64_t table_rows() const {
    return problem.positions.empty() ? problem.batch * problem.steps : random_positions;
  }

  // How many elements of a result are wrong; what lies between its heads has to be NaN still.
  int64_t wrong(const Buffer& result) const {
    int64_t count = 0, written = 0;
    for (int64_t i = 0; i < result.size(); ++i) written += !std::isnan(result[i]);
    for (int64_t row = 0; row < problem.batch * problem.steps; ++row) {
      for (int64_t head = 0; head < problem.heads; ++head) {
        const int64_t place = to_layout.at(row / problem.steps, head, row % problem.steps);
        for (int64_t d = 0; d < problem.width; ++d) {
          count += result[place + d] != rounded(result.type(), expected(row, head, d));
          --written;
        }
      }
    }
    return count + std::abs(written);
  }

  double expected(int64_t row, int64_t head, int64_t d) const {
    const HeadsProblem& p = problem;
    const int64_t begin = p.from_start + from_layout.at(row / p.steps, head, row % p.steps);
    const auto sum = [&](int64_t at) {
      return from[begin + at] + (p.bias == nullptr ? 0 : bias[p.bias_start + head * p.width + at]);
    };
    if (d >= 2 * p.pairs) return sum(d);
    const int64_t pair = p.interleaved ? d / 2 : d % p.pairs, apart = p.interleaved ? 1 : p.pairs;
    const int64_t angle = (p.positions.empty() ? row : p.positions[row]) * p.pairs + pair;
    const bool is_first = p.interleaved ? d % 2 == 0 : d < p.pairs;
    return is_first ? sum(d) * cos[angle] - sum(d + apart) * sin[angle]
                    : sum(d - apart) * sin[angle] + sum(d) * cos[angle];
  }

  HeadsProblem problem;
  HeadsLayout from_layout, to_layout;
  Buffer from, to, bias, cos, sin;
};

}  // namespace heed::test
