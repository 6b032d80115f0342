// Tests attention_decode on the emulator against the float64 oracle.
#include "cuda/launchers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "cuda/common/divisor.h"
#include "cuda/unsupported.h"
#include "machine/device_memory.h"
#include "support/attention_truth.h"
#include "support/dense_attention.h"
#include "support/drawn.h"
#include "support/paged_attention.h"
#include "support/sparse.h"

namespace heed::emulator {

namespace {

using test::AttentionLimits;
using test::Buffer;
using test::Random;
using test::RandomAttention;

// Of a device with so many multiprocessors.
cuda::DeviceCapacity capacity(int multiprocessors) {
  return {multiprocessors, 228 * 1024};
}

void solve(Random& random, RandomAttention& made, int multiprocessors) {
  Machine machine(schedule(random));
  give(machine, made);
  EmulatedWorkspace workspace(machine, capacity(multiprocessors));
  cuda::attention_decode(made.problem, workspace);
}

void solve_paged(Random& random, RandomAttention& made, int64_t page_steps) {
  Machine machine(schedule(random));
  const PagedAttention paged(random, machine, made.problem, page_steps);
  give(machine, made);
  EmulatedWorkspace workspace(machine);
  cuda::attention_decode(paged.problem, workspace);
}

struct Decoding : DenseAttention {
  using DenseAttention::DenseAttention;
  Counts solve(Machine& machine) {
    return solve_on(machine, [](const AttentionProblem& on_device, cuda::Workspace& workspace) {
      cuda::attention_decode(on_device, workspace);
    });
  }
};

}  // namespace

TEST_CASE("attention_decode: random problems, contiguous and paged, on random schedules") {
  for (uint64_t stream = 0; stream < 4 * test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(3'000'000 + stream);
    const bool wide = random.chance(0.1);
    AttentionLimits limits{
        3, 2, 5, wide ? 512 : 140, random.pick<int64_t>({1, 1, 4, 9}), wide ? 100 : 600, random.chance(0.5)};
    limits.scores = random.chance(0.5);
    limits.alibi = true;
    RandomAttention made(random, limits);
    use_possible_score(made.problem);
    if (random.chance(0.4)) {
      solve_paged(random, made, random.pick<int64_t>({1, 3, 16, 64}));
    } else {
      solve(random, made, random.pick({1, 4, 30, 132}));
    }
    check_against_oracle(made.problem, made.output.get());
  }
}

TEST_CASE("attention_decode: rows as wide as tiles, contiguous and in pages of any length") {
  for (uint64_t stream = 0; stream < 4 * test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(3'500'000 + stream);
    const auto width = random.pick<int64_t>({64, 64, 128, 128, 256, 512});
    const int64_t steps = random.integer(1, 5), keys = random.integer(steps, width > 128 ? 150 : 500);
    Decoding made(random, random.pick({DType::float16, DType::bfloat16, DType::float32}),
                  random.integer(1, 2), random.integer(1, 2), random.integer(1, 5), steps, keys, width);
    made.capacity = capacity(random.pick({1, 132}));
    AttentionProblem& problem = made.problem;
    if (random.chance(0.3)) problem.scoring.window.left = random.integer(0, keys);
    Machine machine(schedule(random));
    const PagedAttention paged(random, machine, problem, random.pick<int64_t>({1, 3, 16, 17, 64, 1000}),
                               true);
    for (Sequence& sequence : problem.sequences) {
      sequence.key_start = random.integer(0, keys - steps);
      sequence.key_steps -= sequence.key_start;
      sequence.query_offset -= sequence.key_start;
    }
    if (random.chance(0.5)) {
      made.solve(machine);
    } else {
      made.solve_on(machine, [&paged](AttentionProblem on_device, cuda::Workspace& workspace) {
        on_device.key = paged.problem.key;
        on_device.value = paged.problem.value;
        on_device.pages = paged.problem.pages;
        cuda::attention_decode(on_device, workspace);
      });
    }
    check_against_oracle(problem, &made.output);
  }
}

TEST_CASE("attention_decode: more sequences than lie in the parameters of the kernel") {
  Random random(14);
  constexpr int64_t keys = 150;
  for (const int64_t batch : {9, 10, 11, 12, 30}) {
    Decoding made(random, DType::float16, batch, 1, 3, 1, keys, 64);
    for (Sequence& sequence : made.problem.sequences) {
      sequence.key_steps = random.integer(1, keys);
      sequence.query_offset = sequence.key_steps - 1;
    }
    Machine machine(schedule(random));
    made.solve(machine);
    check_against_oracle(made.problem, &made.output);
  }
}

TEST_CASE("attention_decode: a quotient of every page length is exact") {
  Random random(13);
  for (int i = 0; i < 2000; ++i) {
    const auto value = static_cast<uint32_t>(random.integer(1, random.pick<int64_t>({8, 1000, INT32_MAX})));
    const cuda::Divisor divisor(value);
    const auto at = static_cast<uint32_t>(random.integer(0, INT32_MAX / value)) * value;
    for (const uint32_t number : {at, at - 1, at + 1, uint32_t{INT32_MAX}, uint32_t{0}})
      if (number <= INT32_MAX) CHECK(divisor.quotient(number) == number / value);
  }
}

TEST_CASE("attention_decode: at the edges of tiles and chunks") {
  Random random(7);
  for (const DType type : {DType::float16, DType::bfloat16, DType::float32}) {
    for (const int64_t keys : {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257, 512, 513}) {
      const int64_t group = random.pick<int64_t>({1, 3, 8, 16, 17});
      Decoding made(random, type, 1, 1, group, random.integer(1, 2), keys,
                    random.pick<int64_t>({1, 31, 32, 33, 63, 64, 65, 127, 128}));
      Machine machine(schedule(random));
      made.solve(machine);
      check_against_oracle(made.problem, &made.output);
    }
    for (const int64_t width : {129, 255, 256, 257, 511, 512}) {
      Decoding made(random, type, 1, 1, 2, 1, 40, width);
      Machine machine(schedule(random));
      made.solve(machine);
      check_against_oracle(made.problem, &made.output);
    }
  }
}

TEST_CASE("attention_decode: what is masked has no effect, whatever it is, and what is attended does") {
  for (const DType type : {DType::float16, DType::bfloat16, DType::float32}) {
    Random random(8);
    Decoding made(random, type, 1, 1, 3, 2, 150, 40);
    made.problem.scoring.window.left = 60;
    Buffer mask(DType::boolean, 2 * 150);
    for (int64_t i = 0; i < mask.size(); ++i) mask.set(i, random.chance(0.8));
    made.problem.scoring.mask = {mask.data(), DType::boolean, 0, 0, 150, 1};
    for (int64_t key = 0; key < 150; ++key) {
      const bool attended = key >= 88 && (mask[key] != 0 || mask[150 + key] != 0);
      if (!attended) made.key.set(key * 40 + random.integer(0, 39), random.pick({NAN, INFINITY, -INFINITY}));
      if (!attended)
        made.value.set(key * 40 + random.integer(0, 39), random.pick({NAN, INFINITY, -INFINITY}));
      // Only one of the two steps attends it.
      if (attended && mask[key] != mask[150 + key]) made.value.set(key * 40 + 7, INFINITY);
    }
    Machine machine(schedule(random));
    machine.input(mask.data(), 300, "mask");
    made.solve(machine);
    check_against_oracle(made.problem, &made.output);
  }
}

TEST_CASE("attention_decode: a sequence comes to the same bits alone and in a batch") {
  Random random(9);
  Decoding batch(random, DType::float16, 3, 2, 4, 1, 700, 64),
      alone(random, DType::float16, 1, 2, 4, 1, 700, 64);
  const auto copy_first = [](Buffer& to, Buffer& from) {
    std::memcpy(to.data(), from.data(), static_cast<size_t>(to.size()) * size_of(to.type()));
  };
  copy_first(alone.query, batch.query);
  copy_first(alone.key, batch.key);
  copy_first(alone.value, batch.value);
  for (Decoding* decoding : {&batch, &alone}) {
    Machine machine(schedule(random));
    decoding->solve(machine);
  }
  CHECK(std::memcmp(batch.output.data(), alone.output.data(), static_cast<size_t>(alone.output.size()) * 2) ==
        0);
  CHECK(std::memcmp(batch.log_sum_exp.data(), alone.log_sum_exp.data(),
                    static_cast<size_t>(alone.log_sum_exp.size()) * 4) == 0);
  check_against_oracle(batch.problem, &batch.output);
}

TEST_CASE("attention_decode: reads keys and values once, in whole sectors, and never meets in a bank") {
  Random random(10);
  for (const DType type : {DType::float16, DType::bfloat16, DType::float32}) {
    for (const int64_t width : {32, 64, 96, 128, 256}) {
      constexpr int64_t keys = 1024, group = 4;
      Decoding made(random, type, 1, 1, group, 1, keys, width);
      made.capacity = capacity(random.pick({1, 132}));
      Machine machine(schedule(random));
      const Counts all = made.solve(machine);
      check_against_oracle(made.problem, &made.output);
      const Counts loop = machine.counts_within("start");
      const auto bytes = static_cast<uint64_t>(2 * keys * width) * size_of(type);
      CHECK(loop.global_loads.bytes == bytes);
      CHECK(loop.global_loads.wasted() == 0);
      CHECK(all.bank_conflicts() == 0);
      // The data that chunks pass to the combining kernel, queries and outputs.
      CHECK(static_cast<double>(all.global_loads.bytes + all.global_stores.bytes) <=
            1.15 * static_cast<double>(bytes));
      CHECK(machine.counts_within("copy_queries").global_loads.wasted() == 0);
      // Both products of every tile of keys with the one tile of rows.
      CHECK(all.matrix_instructions == (type == DType::float32 ? 0 : 2 * (keys / 8) * (width / 16)));
    }
  }
}

TEST_CASE("attention_decode: chunks are so long that queries and what they hand over are little") {
  Random random(21);
  constexpr int64_t width = 64;
  const auto traffic = [&](DType type, int64_t key_heads, int64_t group, int64_t keys) {
    Decoding made(random, type, 1, key_heads, group, 1, keys, width);
    Machine machine(schedule(random));
    const Counts all = made.solve(machine);
    check_against_oracle(made.problem, &made.output);
    return static_cast<double>(all.global_loads.bytes + all.global_stores.bytes) /
           static_cast<double>(2 * key_heads * keys * width * static_cast<int64_t>(size_of(type)));
  };
  for (const DType type : {DType::float16, DType::float32}) {
    for (const int64_t group : {1, 4, 8, 16}) {
      for (const int64_t keys : {1024, 4096, 6000}) {
        CAPTURE(group);
        CAPTURE(keys);
        CHECK(traffic(type, keys == 1024 ? 2 : 1, group, keys) <= 1.12);
      }
    }
  }
}

TEST_CASE("attention_decode: reads masks in whole sectors, each element once for all rows that have it") {
  Random random(22);
  constexpr int64_t group = 3, steps = 4, keys = 608, stride = 640;
  for (const DType type : {DType::float16, DType::bfloat16, DType::float32}) {
    for (const DType mask_type : {DType::boolean, DType::float32, DType::float16, DType::bfloat16}) {
      for (const bool of_heads : {false, true}) {
        for (const bool aligned : {false, true}) {
          CAPTURE(static_cast<int>(type));
          CAPTURE(static_cast<int>(mask_type));
          CAPTURE(of_heads);
          CAPTURE(aligned);
          const int64_t rows = steps * (of_heads ? group : 1);
          Decoding made(random, type, 1, 1, group, steps, keys, random.pick<int64_t>({64, 128}));
          made.problem.scoring.window.right = unbounded;
          Buffer values(mask_type, rows * stride);
          for (int64_t i = 0; i < values.size(); ++i)
            values.set(i, mask_type == DType::boolean ? random.chance(0.5) : random.integer(-64, 64) / 32.0);
          Machine machine(schedule(random));
          const DeviceMemory mask(machine, "mask", DeviceMemory::Use::input, values.data(),
                                  static_cast<size_t>(values.size()) * size_of(mask_type),
                                  aligned ? 0 : size_of(mask_type));
          made.problem.scoring.mask = {mask.data(), mask_type, 0, of_heads ? steps * stride : 0, stride, 1};
          const Counts all = made.solve(machine);
          check_against_oracle(made.problem, &made.output);
          const Counts counts = machine.counts_within(aligned ? "copy_chunks" : "copy_elements");
          CHECK(counts.global_loads.bytes == static_cast<uint64_t>(rows * keys) * size_of(mask_type));
          if (aligned) CHECK(counts.global_loads.wasted() == 0);
          CHECK(all.bank_conflicts() == 0);
        }
      }
    }
  }
}

TEST_CASE("attention_decode: reaches beyond 2^31 elements") {
  Random random(11);
  constexpr int64_t keys = 70, width = 64, far = (int64_t{1} << 31) + 64;
  for (const DType type : {DType::float16, DType::float32}) {
    Decoding made(random, type, 1, 2, 2, 1, keys, width);
    const auto bytes = size_of(type);
    const Sparse key(static_cast<size_t>(far + keys * width) * bytes),
        value(static_cast<size_t>(keys * far) * bytes);
    AttentionProblem& problem = made.problem;
    for (int64_t h = 0; h < 2; ++h) {
      for (int64_t i = 0; i < keys; ++i) {
        for (int64_t d = 0; d < width; ++d) {
          const int64_t from = (h * keys + i) * width + d;
          test::write(key.data(), type, h * far + i * width + d, made.key[from]);
          test::write(value.data(), type, i * (far / 2) + h * width + d, made.value[from]);
        }
      }
    }
    problem.key = {key.data(), type, 0, far, width};
    problem.value = {value.data(), type, 0, width, far / 2};
    Machine machine(schedule(random));
    machine.input(key.data(), key.bytes(), "key");
    machine.input(value.data(), value.bytes(), "value");
    machine.input(made.query.data(), static_cast<size_t>(made.query.size()) * bytes, "query");
    machine.output(made.output.data(), static_cast<size_t>(made.output.size()) * bytes, "output");
    machine.output(made.log_sum_exp.data(), static_cast<size_t>(made.log_sum_exp.size()) * 4, "log-sum-exp");
    EmulatedWorkspace workspace(machine);
    cuda::attention_decode(problem, workspace);
    check_against_oracle(problem, &made.output);
  }
}

TEST_CASE("attention_decode: what these kernels cannot do is refused") {
  Random random(12);
  Decoding made(random, DType::float16, 1, 1, 1, 1, 4, 8);
  Machine machine(1);
  EmulatedWorkspace workspace(machine);
  AttentionProblem problem = made.problem;
  problem.value.type = DType::float32;
  CHECK_THROWS_AS(cuda::attention_decode(problem, workspace), cuda::Unsupported);
  problem = made.problem;
  problem.key_width = 513;
  CHECK_THROWS_AS(cuda::attention_decode(problem, workspace), cuda::Unsupported);
  problem = made.problem;
  problem.scoring.score.kind = ScoreKind::additive;
  CHECK_THROWS_AS(cuda::attention_decode(problem, workspace), cuda::Unsupported);
  problem = made.problem;
  problem.sequences.clear();
  cuda::attention_decode(problem, workspace);
}

}  // namespace heed::emulator
