// Tests attention_forward on the emulator against the float64 oracle.
#include "cuda/launchers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

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

void solve_random(uint64_t stream, AttentionLimits limits) {
  Random random(stream);
  limits.scores = random.chance(0.5);
  limits.alibi = true;
  RandomAttention made(random, limits);
  use_possible_score(made.problem);
  Machine machine(schedule(random));
  give(machine, made);
  EmulatedWorkspace workspace(machine);
  cuda::attention_forward(made.problem, workspace);
  check_against_oracle(made.problem, made.output.get());
}

struct Forward : DenseAttention {
  using DenseAttention::DenseAttention;
  Counts solve(Machine& machine) {
    return solve_on(machine, [](const AttentionProblem& on_device, cuda::Workspace& workspace) {
      cuda::attention_forward(on_device, workspace);
    });
  }
  Counts solve(Random& random) {
    Machine machine(schedule(random));
    return solve(machine);
  }
};

// The number of rows per block, for widths up to 256.
int64_t tile_rows(int64_t width, bool biased) {
  return width <= 64 || (width <= 128 && !biased) ? 128 : 64;
}

}  // namespace

TEST_CASE("attention_forward: random problems on random schedules, in whole chunks") {
  for (uint64_t stream = 0; stream < 3 * test::problems(); ++stream) {
    CAPTURE(stream);
    solve_random(6'000'000 + stream, {2, 2, 2, 80, 200, 200, true});
  }
}

TEST_CASE("attention_forward: random problems on random schedules, in any rows") {
  for (uint64_t stream = 0; stream < 3 * test::problems(); ++stream) {
    CAPTURE(stream);
    solve_random(6'500'000 + stream, {2, 2, 2, 80, 200, 200, false});
  }
}

TEST_CASE("attention_forward: random problems on random schedules, with wide heads") {
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(7'000'000 + stream);
    const int64_t width = random.pick<int64_t>({140, 256, 512});
    solve_random(7'500'000 + stream, {2, 1, 2, width, 70, 100, random.chance(0.5)});
  }
}

TEST_CASE("attention_forward: more sequences than lie in the parameters of the kernel") {
  Random random(13);
  constexpr int64_t keys = 40;
  for (const int64_t batch : {17, 18, 19, 20, 40}) {
    Forward made(random, DType::bfloat16, batch, 1, 1, 17, keys, 32);
    for (Sequence& sequence : made.problem.sequences) sequence.key_steps = random.integer(1, keys);
    made.solve(random);
    check_against_oracle(made.problem, &made.output);
  }
}

TEST_CASE("attention_forward: at the edges of tiles") {
  Random random(12);
  for (const DType type : types) {
    for (const int64_t keys : {0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 129}) {
      Forward made(random, type, 1, 1, 1, random.pick<int64_t>({1, 127, 128, 129, 257}), keys,
                   random.pick<int64_t>({1, 31, 32, 33, 63, 64, 65}));
      made.solve(random);
      check_against_oracle(made.problem, &made.output);
    }
    for (const int64_t rows : {0, 1, 63, 64, 65, 127, 128, 129}) {
      Forward made(random, type, 1, 1, 2, rows, random.integer(1, 70), random.pick<int64_t>({96, 127, 128}));
      made.problem.scoring.window.right = random.chance(0.5) ? 0 : unbounded;
      made.solve(random);
      check_against_oracle(made.problem, &made.output);
    }
    for (const int64_t width : {129, 255, 256, 257, 511, 512}) {
      Forward made(random, type, 1, 1, 1, random.pick<int64_t>({31, 32, 33, 63, 64, 65}), 40, width);
      made.problem.value_width = random.pick<int64_t>({width, 7, 256});
      made.problem.value_width = std::min(made.problem.value_width, width);
      made.solve(random);
      check_against_oracle(made.problem);
    }
  }
}

TEST_CASE("attention_forward: sequences packed one behind the other, of any lengths") {
  for (const DType type : types) {
    Random random(13);
    constexpr int64_t lengths[][2] = {{130, 70}, {0, 9}, {5, 0}, {64, 64}, {1, 67}};
    Forward made(random, type, 1, 2, 2, 200, 210, 40);
    made.problem.sequences.clear();
    int64_t query = 0, key = 0;
    for (const auto& [queries, keys] : lengths) {
      made.problem.sequences.push_back({query, queries, key, keys, keys - queries});
      query += queries;
      key += keys;
    }
    for (BasicView<const void*>* view : {&made.problem.query, &made.problem.key, &made.problem.value})
      view->batch_stride = 0;
    made.problem.output.batch_stride = made.problem.log_sum_exp.batch_stride = 0;
    made.solve(random);
    check_against_oracle(made.problem, &made.output);
  }
}

// Keys and values in pages come to the same bits as in tensors, and take as many products: only where rows
// lie is another matter. Tiles of the kernel that does everything have other sizes, so that sums may differ.
TEST_CASE("attention_forward: chunks of prompts in pages of any length, as in tensors") {
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(8'000'000 + stream);
    const auto width = random.pick<int64_t>({33, 40, 64, 64, 80, 96, 128, 128, 128, 256, 512});
    const int64_t batch = random.integer(1, 2), key_heads = random.integer(1, 2),
                  group = random.integer(1, 2), steps = random.integer(1, width > 128 ? 80 : 140),
                  keys = random.integer(steps, width > 128 ? 100 : 250);
    Forward made(random, random.pick({DType::float16, DType::bfloat16, DType::float32}), batch, key_heads,
                 group, steps, keys, width);
    AttentionProblem& problem = made.problem;
    if (random.chance(0.3)) problem.scoring.window.left = random.integer(0, keys);
    if (random.chance(0.2)) problem.scoring.window.right = random.pick<int64_t>({3, unbounded});
    if (random.chance(0.2)) problem.scoring.softcap = 2;
    if (random.chance(0.2))
      problem.scoring.alibi_slopes =
          problem.keep(std::vector<float>(static_cast<size_t>(key_heads * group), 0.1F));
    problem.scoring.alibi_absolute = random.chance(0.5);
    Buffer mask(DType::boolean, steps * keys);
    for (int64_t i = 0; i < mask.size(); ++i) mask.set(i, random.chance(0.8));
    if (random.chance(0.2)) problem.scoring.mask = {mask.data(), DType::boolean, 0, 0, keys, 1};
    const bool is_plain = problem.scoring.softcap == 0 && problem.scoring.alibi_slopes == nullptr &&
                          problem.scoring.mask.data == nullptr;
    const bool aligned = random.chance(0.8);

    const AttentionProblem whole = problem;
    for (Sequence& sequence : problem.sequences) {  // queries at the end of what is left
      sequence.key_start = random.integer(0, keys - 1);
      sequence.key_steps = random.integer(1, keys - sequence.key_start);
      sequence.query_start = random.integer(0, steps - 1);
      sequence.query_steps = random.integer(0, steps - sequence.query_start);
      sequence.query_offset = sequence.key_steps - sequence.query_steps;
    }
    const auto solve = [&](int64_t page_steps) {
      for (Buffer* written : {&made.output, &made.log_sum_exp})
        std::memset(written->data(), 0xff, static_cast<size_t>(written->size()) * size_of(written->type()));
      Machine machine(schedule(random));
      machine.input(mask.data(), static_cast<size_t>(mask.size()), "mask");
      if (page_steps == 0) return made.solve(machine);
      const PagedAttention paged(random, machine, whole, page_steps, aligned);
      return made.solve_on(machine, [&paged](AttentionProblem on_device, cuda::Workspace& workspace) {
        on_device.key = paged.problem.key;
        on_device.value = paged.problem.value;
        on_device.pages = paged.problem.pages;
        cuda::attention_forward(on_device, workspace);
      });
    };
    const Counts expected = solve(0);
    check_against_oracle(problem, &made.output);
    Buffer output = made.output, log_sum_exp = made.log_sum_exp;
    const Counts counts = solve(random.pick<int64_t>({1, 3, 16, 17, 64, 100, 128, 1000}));
    check_against_oracle(problem, &made.output);
    const auto chunk = static_cast<int64_t>(16 / size_of(made.key.type()));
    // Rows that are not aligned have the tiles of masked scores, which may be smaller.
    const bool is_masked = problem.scoring.mask.data != nullptr;
    const bool has_tiles_of_masked = is_masked || (!is_plain && (width > 64 || chunk == 4));
    if (!has_tiles_of_masked && !aligned && width % chunk == 0) continue;
    CHECK(counts.matrix_instructions == expected.matrix_instructions);
    CHECK(counts.exponentials == expected.exponentials);
    CHECK(std::memcmp(output.data(), made.output.data(),
                      static_cast<size_t>(output.size()) * size_of(output.type())) == 0);
    CHECK(std::memcmp(log_sum_exp.data(), made.log_sum_exp.data(),
                      static_cast<size_t>(log_sum_exp.size()) * sizeof(float)) == 0);
  }
}

TEST_CASE("attention_forward: sequences that share pages, and values in them that not every row attends") {
  for (const DType type : types) {
    for (const bool special : {false, true}) {
      Random random(20);
      constexpr int64_t batch = 3, steps = 90, keys = 200, width = 64;
      Forward made(random, type, batch, 2, 2, steps, keys, width);
      AttentionProblem& problem = made.problem;
      problem.key.batch_stride = problem.value.batch_stride = 0;
      for (Sequence& sequence : problem.sequences) {
        sequence.query_steps = random.integer(1, steps);
        sequence.query_offset = keys - sequence.query_steps;
      }
      if (special) {
        for (const int64_t key : {120, 127, 128, 199})
          made.value.set(key * width + random.integer(0, width - 1), random.pick({NAN, INFINITY, -INFINITY}));
      }
      Machine machine(schedule(random));
      const PagedAttention paged(random, machine, problem, random.pick<int64_t>({16, 24, 64}), true);
      const auto shared = std::make_shared<PageTables>(*paged.problem.pages);
      shared->first.assign(batch, 0);
      shared->key.first = shared->value.first = shared->first.data();
      made.solve_on(machine, [&](AttentionProblem on_device, cuda::Workspace& workspace) {
        on_device.key = paged.problem.key;
        on_device.value = paged.problem.value;
        on_device.pages = shared;
        on_device.key.pages = &shared->key;
        on_device.value.pages = &shared->value;
        cuda::attention_forward(on_device, workspace);
      });
      check_against_oracle(problem, &made.output);
    }
  }
}

TEST_CASE("attention_forward: what is masked has no effect, whatever it is, and what is attended does") {
  for (const DType type : types) {
    for (const bool masked : {false, true}) {
      Random random(14);
      constexpr int64_t rows = 140, keys = 190, width = 40;
      Forward made(random, type, 1, 1, 2, rows, keys, width);
      made.problem.scoring.window.left = 30;
      Buffer mask(DType::boolean, rows * keys);
      for (int64_t i = 0; i < mask.size(); ++i) mask.set(i, random.chance(0.5));
      if (masked) made.problem.scoring.mask = {mask.data(), DType::boolean, 0, 0, keys, 1};
      const auto special = [&] { return random.pick({NAN, INFINITY, -INFINITY}); };
      // The first keys lie outside every window.
      for (int64_t key = 0; key < 10; ++key) {
        made.key.set(key * width + random.integer(0, width - 1), special());
        made.value.set(key * width + random.integer(0, width - 1), special());
      }
      // No row attends a key in the middle.
      if (masked) {
        for (int64_t row = 0; row < rows; ++row) mask.set(row * keys + 100, 0);
        for (int64_t d = 0; d < width; ++d) {
          made.key.set(100 * width + d, special());
          made.value.set(100 * width + d, special());
        }
      }
      // Values that only some rows attend.
      for (const int64_t key : {60, 127, 128, 189}) made.value.set(key * width + key % width, special());
      Machine machine(schedule(random));
      machine.input(mask.data(), static_cast<size_t>(rows * keys), "mask");
      made.solve(machine);
      check_against_oracle(made.problem, &made.output);
      // Some rows attend this key.
      made.key.set(80 * width + 3, NAN);
      made.solve(machine);
      check_against_oracle(made.problem, &made.output);
    }
  }
}

TEST_CASE("attention_forward: maxima that move in some tiles and some rows only") {
  for (const DType type : types) {
    for (const bool masked : {false, true}) {
      for (const bool special : {false, true}) {
        Random random(19);
        constexpr int64_t rows = 150, keys = 400, width = 40, classes = 4, tile = 32, rows_together = 8;
        Forward made(random, type, 1, 1, 1, rows, keys, width);
        made.problem.scoring.window.right = unbounded;
        // Rows of a class have their own level of scores in each tile: one that rises, falls or stays.
        double levels[classes][(keys + tile - 1) / tile];
        int64_t class_of[rows];
        for (int64_t c = 0; c < classes; ++c) {
          double level = 0;
          for (double& of_tile : levels[c]) {
            level += random.pick({-4.0, -1.0, 0.0, 0.0, 1.0, 4.0});
            // A weight that underflows in float16 would turn ∞ into NaN.
            if (special && type == DType::float16) level = std::clamp(level, -3.0, 3.0);
            of_tile = level;
          }
        }
        for (int64_t row = 0; row < rows; ++row) {
          class_of[row] = row % rows_together == 0 || random.chance(0.1) ? random.integer(0, classes - 1)
                                                                         : class_of[row - 1];
        }
        Buffer mask(DType::float32, rows * keys);
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t c = 0; c < classes; ++c) {
            made.query.set(row * width + c, !masked && c == class_of[row] ? std::sqrt(double{width}) : 0);
          }
          for (int64_t key = 0; key < keys; ++key)
            mask.set(row * keys + key, levels[class_of[row]][key / tile]);
        }
        for (int64_t key = 0; key < keys; ++key) {
          for (int64_t c = 0; c < classes; ++c) made.key.set(key * width + c, levels[c][key / tile]);
        }
        if (special) {
          // ∞ and NaN in outputs that are scaled later, or not.
          for (const int64_t key : {3, 70, 200}) {
            made.value.set(key * width + random.integer(0, width - 1),
                           random.pick({NAN, INFINITY, -INFINITY}));
          }
          for (int64_t row = 0; row < rows; ++row) {
            // Rows without keys so far, and rows whose maximum is ∞ or NaN from some key on.
            if (random.chance(0.2)) {
              const int64_t from = random.integer(0, keys - 1);
              for (int64_t key = 0; key < from; ++key) mask.set(row * keys + key, -INFINITY);
            }
            if (random.chance(0.05))
              mask.set(row * keys + random.integer(0, keys - 1), random.pick({NAN, INFINITY}));
          }
        }
        if (masked) made.problem.scoring.mask = {mask.data(), DType::float32, 0, 0, keys, 1};
        CAPTURE(static_cast<int>(type));
        CAPTURE(masked);
        CAPTURE(special);
        Machine machine(schedule(random));
        machine.input(mask.data(), static_cast<size_t>(mask.size()) * sizeof(float), "mask");
        made.solve(machine);
        check_against_oracle(made.problem, &made.output);
      }
    }
  }
}

TEST_CASE("attention_forward: reads tiles in whole sectors and never meets in a bank") {
  Random random(15);
  for (const DType type : types) {
    for (const int64_t width : {32, 40, 64, 96, 128, 160, 256}) {
      const bool biased = random.chance(0.5);
      constexpr int64_t keys = 256;
      const int64_t rows = 2 * tile_rows(width, biased);
      Forward made(random, type, 1, 1, 1, rows, keys, width);
      made.problem.scoring.window.right = unbounded;
      if (biased) made.problem.scoring.alibi_slopes = made.problem.keep({0.1F});
      Machine machine(schedule(random));
      const Counts all = made.solve(machine);
      check_against_oracle(made.problem, &made.output);
      CAPTURE(width);
      CAPTURE(biased);
      CAPTURE(static_cast<int>(type));
      const Counts results = machine.counts_within("write_forward");
      CHECK(all.bank_conflicts() == 0);
      for (const char* copies : {"copy_strided_rows", "copy_rows"})
        CHECK(machine.counts_within(copies).global_loads.wasted() == 0);
      CHECK(results.global_stores.wasted() <= static_cast<uint64_t>(rows) / 8 * 3);  // log-sum-exps
      // Queries and outputs are transferred once, keys and values once per tile of rows.
      const auto row = static_cast<uint64_t>(width) * size_of(type);
      const uint64_t unavoidable = (2 * rows + 2 * 2 * keys) * row + rows * sizeof(float);
      CHECK(static_cast<double>(all.global_loads.bytes + all.global_stores.bytes) <=
            1.05 * static_cast<double>(unavoidable));
      CHECK(all.matrix_instructions ==
            (type == DType::float32
                 ? 0
                 : static_cast<uint64_t>(2 * (rows / 16) * (keys / 8) * ((width + 31) / 32 * 2))));
      // One per score, plus the decay factors of rows and their final sums, in each lane.
      CHECK(all.exponentials >= static_cast<uint64_t>(rows * keys));
      CHECK(static_cast<double>(all.exponentials) <= 1.6 * static_cast<double>(rows * keys));
    }
  }
}

TEST_CASE("attention_forward: skips tiles that windows and causality leave nothing of") {
  Random random(16);
  for (const DType type : types) {
    constexpr int64_t steps = 512, width = 64, window = 64;
    const auto row = static_cast<uint64_t>(width) * size_of(type);
    const int64_t tile = tile_rows(width, false), tiles = steps / tile;
    for (const bool windowed : {false, true}) {
      Forward made(random, type, 1, 1, 1, steps, steps, width);
      if (windowed) made.problem.scoring.window.left = window;
      Machine machine(schedule(random));
      made.solve(machine);
      check_against_oracle(made.problem, &made.output);
      uint64_t read = 0;
      for (int64_t t = 0; t < tiles; ++t)
        read +=
            static_cast<uint64_t>((t + 1) * tile - (windowed ? std::max<int64_t>(0, t * tile - window) : 0));
      CHECK(machine.counts_within("copy_rows").global_loads.bytes == 2 * read * row);
    }
  }
}

TEST_CASE("attention_forward: reaches beyond 2^31 elements") {
  Random random(17);
  constexpr int64_t keys = 70, rows = 20, width = 64, far = (int64_t{1} << 31) + 64;
  for (const DType type : {DType::float16, DType::float32}) {
    const auto bytes = size_of(type);
    // The largest distance between rows that aligned copies take, and one that they do not.
    for (const int64_t apart : {((int64_t{1} << 31) - 16) / static_cast<int64_t>(bytes), far / 2}) {
      Forward made(random, type, 1, 2, 1, rows, keys, width);
      const Sparse query(static_cast<size_t>(far + rows * width) * bytes),
          key(static_cast<size_t>(far + keys * width) * bytes),
          value(static_cast<size_t>(keys * apart) * bytes),
          output(static_cast<size_t>(far + rows * width) * bytes);
      AttentionProblem& problem = made.problem;
      for (int64_t h = 0; h < 2; ++h) {
        for (int64_t d = 0; d < rows * width; ++d)
          test::write(query.data(), type, h * far + d, made.query[h * rows * width + d]);
        for (int64_t d = 0; d < keys * width; ++d) {
          const double k = made.key[h * keys * width + d], v = made.value[h * keys * width + d];
          test::write(key.data(), type, h * far + d, k);
          test::write(value.data(), type, d / width * apart + h * width + d % width, v);
        }
      }
      problem.query = {query.data(), type, 0, far, width};
      problem.key = {key.data(), type, 0, far, width};
      problem.value = {value.data(), type, 0, width, apart};
      problem.output = {output.data(), type, 0, far, width};
      Machine machine(schedule(random));
      machine.input(query.data(), query.bytes(), "query");
      machine.input(key.data(), key.bytes(), "key");
      machine.input(value.data(), value.bytes(), "value");
      machine.output(output.data(), output.bytes(), "output");
      machine.output(made.log_sum_exp.data(), static_cast<size_t>(made.log_sum_exp.size()) * 4,
                     "log-sum-exp");
      EmulatedWorkspace workspace(machine);
      cuda::attention_forward(problem, workspace);
      check_against_oracle(problem);
    }
  }
}

TEST_CASE("attention_forward: refuses what it cannot do, and has nothing to do for no rows") {
  Random random(18);
  Forward made(random, DType::float16, 1, 1, 1, 1, 4, 8);
  Machine machine(1);
  EmulatedWorkspace workspace(machine);
  const auto refuses = [&](auto change) {
    AttentionProblem problem = made.problem;
    change(problem);
    CHECK_THROWS_AS(cuda::attention_forward(problem, workspace), cuda::Unsupported);
  };
  refuses([](AttentionProblem& p) { p.key.type = DType::float32; });
  refuses([](AttentionProblem& p) { p.output.type = DType::float32; });
  refuses([](AttentionProblem& p) { p.key_width = 513; });
  refuses([](AttentionProblem& p) { p.scoring.score.kind = ScoreKind::additive; });
  refuses([](AttentionProblem& p) { p.sequences[0].key_steps = INT32_MAX; });
  const Pages pages;
  refuses([&](AttentionProblem& p) {
    p.key.pages = p.value.pages = &pages;
    p.sequences[0].key_start = INT32_MAX;
  });
  AttentionProblem problem = made.problem;
  problem.sequences.clear();
  cuda::attention_forward(problem, workspace);
}

}  // namespace heed::emulator
