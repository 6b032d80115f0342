// Tests on the emulator that the structs of bench/gpu become the kernel problems that they describe.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../../bench/gpu/native/problems.h"
#include "cuda/launchers.h"
#include "machine/device_memory.h"
#include "support/drawn.h"
#include "support/half.h"
#include "support/random.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;

Buffer normal(Random& random, DType type, int64_t size) {
  Buffer made(type, size);
  for (int64_t i = 0; i < size; ++i) made.set(i, random.normal());
  return made;
}

// Relative to the norm of the expected values.
double error_of(const Buffer& got, const std::vector<double>& expected) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = got[static_cast<int64_t>(i)] - expected[i];
    error += difference * difference;
    norm += expected[i] * expected[i];
  }
  return std::sqrt(error / norm);
}

struct AttentionShape {
  int64_t batch, heads, key_heads, steps, keys, capacity, width;
  bool causal, steps_before_heads;
  int64_t page_steps = 0;
};

// Where key j of a head of an entry begins, in elements.
int64_t key_at(const AttentionShape& s, int64_t entry, int64_t head, int64_t j) {
  if (s.page_steps == 0) return ((entry * s.key_heads + head) * s.capacity + j) * s.width;
  const int64_t page = j / s.page_steps * s.batch + entry;
  return ((page * s.key_heads + head) * s.page_steps + j % s.page_steps) * s.width;
}

// Computed by definition, with the layouts that the struct's comments specify.
std::vector<double> attention(const AttentionShape& s, const Buffer& query, const Buffer& key,
                              const Buffer& value) {
  std::vector<double> output(static_cast<size_t>(query.size()));
  for (int64_t row = 0; row < s.batch * s.heads * s.steps; ++row) {
    const int64_t i = row % s.steps, h = row / s.steps % s.heads, b = row / s.steps / s.heads;
    const int64_t head = h / (s.heads / s.key_heads);
    const int64_t keys = s.causal ? s.keys - s.steps + i + 1 : s.keys;
    std::vector<double> weights;
    double sum = 0;
    for (int64_t j = 0; j < keys; ++j) {
      double dot = 0;
      for (int64_t d = 0; d < s.width; ++d) dot += query[row * s.width + d] * key[key_at(s, b, head, j) + d];
      weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(s.width))));
      sum += weights.back();
    }
    const int64_t at = s.steps_before_heads ? (b * s.steps + i) * s.heads + h : row;
    for (int64_t d = 0; d < s.width; ++d) {
      double total = 0;
      for (int64_t j = 0; j < keys; ++j)
        total += weights[static_cast<size_t>(j)] / sum * value[key_at(s, b, head, j) + d];
      output[static_cast<size_t>(at * s.width + d)] = total;
    }
  }
  return output;
}

}  // namespace

TEST_CASE("bench/gpu: attention of the shape that is asked for") {
  Random random(30);
  for (const AttentionShape& s : {AttentionShape{2, 4, 2, 70, 70, 70, 64, true, false},
                                  {1, 2, 2, 9, 33, 40, 128, false, true},
                                  {2, 4, 1, 1, 300, 320, 64, false, false},
                                  {3, 4, 2, 1, 70, 96, 64, false, false, 16},
                                  {2, 4, 2, 70, 75, 96, 64, true, false, 16}}) {
    const DType type = random.pick({DType::float16, DType::bfloat16, DType::float32});
    Buffer query = normal(random, type, s.batch * s.heads * s.steps * s.width),
           key = normal(random, type, s.batch * s.key_heads * s.capacity * s.width),
           value = normal(random, type, key.size()), output(type, query.size());
    Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
    const RemoteMemory q(machine, "query", RemoteMemory::Use::input, query.data(), bytes_of(query)),
        k(machine, "key", RemoteMemory::Use::input, key.data(), bytes_of(key)),
        v(machine, "value", RemoteMemory::Use::input, value.data(), bytes_of(value)),
        o(machine, "output", RemoteMemory::Use::output, nullptr, bytes_of(output));
    const HeedAttention asked{q.data(),
                              k.data(),
                              v.data(),
                              o.data(),
                              s.batch,
                              s.heads,
                              s.key_heads,
                              s.steps,
                              s.keys,
                              s.capacity,
                              s.width,
                              s.page_steps,
                              static_cast<int32_t>(type),
                              s.causal ? 1 : 0,
                              s.steps_before_heads ? 1 : 0};
    EmulatedWorkspace workspace(machine);
    if (s.steps == 1) {
      cuda::attention_decode(bench::problem_of(asked), workspace);
    } else {
      cuda::attention_forward(bench::problem_of(asked), workspace);
    }
    o.read_back(output.data());
    CHECK(error_of(output, attention(s, query, key, value)) <= 1e-2);
  }
}

TEST_CASE("bench/gpu: projections into rows, and into the heads of several parts") {
  Random random(31);
  for (const int64_t heads : {0, 3}) {
    constexpr int64_t batch = 2, steps = 20, inner = 40, columns = 96;
    const int64_t parts = heads == 0 ? 1 : 2;
    const DType type = random.pick({DType::float16, DType::bfloat16, DType::float32});
    Buffer input = normal(random, type, batch * steps * inner),
           weight = normal(random, type, columns * inner), output(type, batch * steps * columns);
    std::vector<float> bias(columns);
    for (float& each : bias) each = static_cast<float>(random.normal());
    Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
    const RemoteMemory x(machine, "input", RemoteMemory::Use::input, input.data(), bytes_of(input)),
        w(machine, "weight", RemoteMemory::Use::input, weight.data(), bytes_of(weight)),
        y(machine, "output", RemoteMemory::Use::output, nullptr, bytes_of(output));
    EmulatedWorkspace workspace(machine);
    cuda::projection(
        bench::problem_of(HeedProjection{x.data(), w.data(), bias.data(), y.data(), batch, steps, inner,
                                         columns, parts, heads, static_cast<int32_t>(type)}),
        workspace);
    y.read_back(output.data());
    std::vector<double> expected(static_cast<size_t>(output.size()));
    for (int64_t row = 0; row < batch * steps; ++row) {
      for (int64_t column = 0; column < columns; ++column) {
        double sum = bias[static_cast<size_t>(column)];
        for (int64_t i = 0; i < inner; ++i) sum += input[row * inner + i] * weight[column * inner + i];
        const int64_t per_part = columns / parts, part = column / per_part, in_part = column % per_part;
        const int64_t count = heads == 0 ? 1 : heads, width = per_part / count;
        const int64_t at = ((row / steps * count + in_part / width) * steps + row % steps) * width +
                           in_part % width + part * batch * steps * per_part;
        expected[static_cast<size_t>(at)] = sum;
      }
    }
    CHECK(error_of(output, expected) <= 1e-2);
  }
}

TEST_CASE("bench/gpu: a new step goes to its position in each entry of the cache") {
  Random random(32);
  constexpr int64_t batch = 2, heads = 3, capacity = 7, position = 5, width = 16;
  Buffer key = normal(random, DType::float16, batch * heads * width),
         value = normal(random, DType::float16, key.size());
  Machine machine(1);
  const size_t cache_bytes = bytes_of(key) * capacity;
  const RemoteMemory k(machine, "key", RemoteMemory::Use::input, key.data(), bytes_of(key)),
      v(machine, "value", RemoteMemory::Use::input, value.data(), bytes_of(value)),
      keys(machine, "keys", RemoteMemory::Use::output, nullptr, cache_bytes),
      values(machine, "values", RemoteMemory::Use::output, nullptr, cache_bytes);
  EmulatedWorkspace workspace(machine);
  cuda::append(bench::problem_of(HeedAppend{k.data(), v.data(), keys.data(), values.data(), batch, heads,
                                            capacity, position, width, static_cast<int32_t>(DType::float16)}),
               workspace);
  for (const auto& [cache, rows] : {std::pair{&keys, &key}, {&values, &value}}) {
    Buffer found(DType::float16, rows->size() * capacity);
    cache->read_back(found.data());
    int64_t written = 0, right = 0;
    for (int64_t i = 0; i < found.size(); ++i) {
      if (std::isnan(found[i])) continue;
      ++written;
      const int64_t step = i / width % capacity, head = i / width / capacity;
      right += step == position && found[i] == (*rows)[head * width + i % width];
    }
    CHECK(written == rows->size());
    CHECK(right == rows->size());
  }
}

}  // namespace heed::emulator
