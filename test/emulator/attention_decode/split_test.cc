// Tests by numbers how attention_decode divides its work among blocks.
#include "cuda/attention_decode/split.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "cuda/launchers.h"
#include "support/attention_truth.h"
#include "support/dense_attention.h"

namespace heed::emulator {

namespace {

using test::Random;

constexpr int64_t held_by_h200 = 132 * 3;

AttentionProblem problem_of(int64_t heads, int64_t key_heads, int64_t width,
                            const std::vector<Sequence>& sequences) {
  AttentionProblem problem;
  problem.query_heads = heads;
  problem.key_heads = key_heads;
  problem.key_width = problem.value_width = width;
  problem.query.type = problem.key.type = problem.value.type = DType::bfloat16;
  problem.scoring.window.right = 0;
  problem.sequences = sequences;
  return problem;
}

// The last of `steps` queries is at the last of `keys` keys.
Sequence sequence_of(int64_t steps, int64_t keys) {
  return {0, steps, 0, keys, keys - steps};
}

}  // namespace

TEST_CASE("attention_decode: the split of a sequence is the same alone and in any batch") {
  Random random(71);
  for (int i = 0; i < 200; ++i) {
    const int64_t key_heads = random.pick<int64_t>({1, 2, 8}), group = random.pick<int64_t>({1, 4, 8, 40});
    const int64_t held = random.pick<int64_t>({3, 216, held_by_h200});
    std::vector<Sequence> sequences;
    for (int64_t b = random.integer(1, 6); b > 0; --b) {
      const int64_t keys = random.pick<int64_t>({0, 100, 3000, 200'000});
      sequences.push_back(sequence_of(random.pick<int64_t>({0, 1, 4, 300}), random.integer(keys / 2, keys)));
    }
    AttentionProblem batch = problem_of(key_heads * group, key_heads, 128, sequences);
    if (random.chance(0.3)) batch.scoring.window.left = random.integer(0, 5000);
    const cuda::DecodeSplit split = cuda::split_of(batch, held);
    int64_t blocks = 0, partials = 0, rows = 0;
    for (const cuda::DecodeEntry& entry : split.entries) {
      AttentionProblem alone = batch;
      alone.sequences = {batch.sequences[static_cast<size_t>(entry.batch)]};
      const cuda::DecodeEntry own = cuda::split_of(alone, held).entries.at(0);
      CHECK(own.chunks == entry.chunks);
      CHECK(own.chunk_keys == entry.chunk_keys);
      CHECK(own.first_key == entry.first_key);
      CHECK(own.last_key == entry.last_key);
      CHECK(own.row_tiles == entry.row_tiles);
      // Nothing overlaps.
      CHECK(entry.first_block == blocks);
      CHECK(entry.first_row == rows);
      CHECK(entry.first_partial == partials);
      blocks += key_heads * entry.row_tiles * entry.chunks;
      if (entry.chunks > 1) rows += alone.query_heads * alone.sequences[0].query_steps;
      if (entry.chunks > 1) partials += alone.query_heads * alone.sequences[0].query_steps * entry.chunks;
    }
    CHECK(split.blocks == blocks);
    CHECK(split.divided_rows == rows);
    CHECK(split.partials == partials);
  }
}

TEST_CASE("attention_decode: a sequence alone fills the device as far as its keys are enough") {
  const auto blocks = [](int64_t key_heads, int64_t keys, int64_t held) {
    return cuda::split_of(problem_of(4 * key_heads, key_heads, 128, {sequence_of(1, keys)}), held).blocks;
  };
  // 32 query heads with 8 key heads: chunks of 128 keys.
  CHECK(blocks(8, 512, held_by_h200) == 32);
  CHECK(blocks(8, 2048, held_by_h200) == 128);
  for (const int64_t held : {108 * 2, 132 * 3}) {
    for (const int64_t key_heads : {1, 2, 8, 32}) {
      for (const int64_t keys : {100'000, 131'072, 1'000'000}) {
        CHECK(blocks(key_heads, keys, held) <= held);
        CHECK(blocks(key_heads, keys, held) >= held * 3 / 4);
      }
    }
  }
  CHECK(blocks(8, 131'072, 1) == 8);
}

TEST_CASE("attention_decode: the workspace does not grow with the square of a prompt") {
  const auto bytes = [](int64_t steps, int64_t keys) {
    const AttentionProblem problem = problem_of(32, 8, 128, {sequence_of(steps, keys)});
    return cuda::split_of(problem, held_by_h200).partials * (128 + 2) * 4;
  };
  for (int64_t steps = 4096; steps <= 131'072; steps *= 2) {
    CHECK(bytes(steps, steps) <= int64_t{64} << 20);
    CHECK(bytes(steps, 1'000'000) <= int64_t{64} << 20);
  }
  Random random(72);
  for (int i = 0; i < 200; ++i) {
    const int64_t steps = random.integer(1, 4096);
    CHECK(bytes(steps, steps + random.integer(0, 1'000'000)) <= int64_t{64} << 20);
  }
}

TEST_CASE("attention_decode: a tile of rows reads the keys that one of them may attend, and no others") {
  Random random(73);
  for (const int64_t left : {unbounded, int64_t{100}}) {
    for (const DType type : {DType::float16, DType::bfloat16}) {
      CAPTURE(left);
      constexpr int64_t steps = 300, group = 4, width = 64, keys = 64, rows_of_tile = 16;
      DenseAttention made(random, type, 1, 1, group, steps, steps, width);
      made.problem.scoring.window.left = left;
      made.capacity = {1, 228 * 1024};
      Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
      const Counts counts = made.solve_on(machine, [](const AttentionProblem& on_device, cuda::Workspace& w) {
        cuda::attention_decode(on_device, w);
      });
      check_against_oracle(made.problem, &made.output);
      // A tile has the rows of four steps. Its keys begin at a multiple of 64.
      int64_t tiles = 0;
      for (int64_t step = 0; step < steps; step += rows_of_tile / group) {
        const int64_t first = left == unbounded ? 0 : std::max<int64_t>(0, step - left) / keys * keys;
        tiles += (step + rows_of_tile / group - first + keys - 1) / keys;
      }
      CHECK(counts.matrix_instructions == static_cast<uint64_t>(tiles * 2 * (keys / 8) * (width / 16)));
    }
  }
}

TEST_CASE("attention_decode: sequences come to the same bits in every batch, whatever the device") {
  Random random(74);
  for (const int multiprocessors : {1, 7, 132}) {
    constexpr int64_t heads = 4, steps = 2, keys = 900, width = 64, batch = 3;
    DenseAttention all(random, DType::float16, batch, 2, heads / 2, steps, keys, width);
    all.capacity = {multiprocessors, 228 * 1024};
    for (Sequence& sequence : all.problem.sequences) sequence.key_steps -= random.integer(0, 800);
    for (Sequence& sequence : all.problem.sequences) sequence.query_offset = sequence.key_steps - steps;
    const auto solve = [&random](DenseAttention& made) {
      Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
      made.solve_on(machine, [](const AttentionProblem& on_device, cuda::Workspace& workspace) {
        cuda::attention_decode(on_device, workspace);
      });
      check_against_oracle(made.problem, &made.output);
    };
    solve(all);
    for (int64_t b = 0; b < batch; ++b) {
      DenseAttention alone(random, DType::float16, 1, 2, heads / 2, steps, keys, width);
      alone.capacity = all.capacity;
      alone.problem.sequences = {all.problem.sequences[static_cast<size_t>(b)]};
      const auto copy = [b](test::Buffer& to, const test::Buffer& from) {
        for (int64_t i = 0; i < to.size(); ++i) to.set(i, from[b * to.size() + i]);
      };
      copy(alone.query, all.query);
      copy(alone.key, all.key);
      copy(alone.value, all.value);
      solve(alone);
      const auto differs = [b](const test::Buffer& own, const test::Buffer& of_all) {
        int64_t count = 0;
        for (int64_t i = 0; i < own.size(); ++i) count += own[i] != of_all[b * own.size() + i];
        return count;
      };
      CHECK(differs(alone.output, all.output) == 0);
      CHECK(differs(alone.log_sum_exp, all.log_sum_exp) == 0);
    }
  }
}

}  // namespace heed::emulator
