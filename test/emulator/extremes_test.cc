// Tests NaN, ∞ and the lowest numbers in attention on the emulator: their effect where they are attended, and
// the effect of masks with such values.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "cuda/launchers.h"
#include "machine/device_memory.h"
#include "support/attention_truth.h"
#include "support/dense_attention.h"
#include "support/drawn.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;

using Solver = void (*)(const AttentionProblem&, cuda::Workspace&);
void decode(const AttentionProblem& problem, cuda::Workspace& workspace) {
  cuda::attention_decode(problem, workspace);
}
constexpr Solver solvers[] = {&cuda::attention_forward, &decode};

void solve(Random& random, DenseAttention& made, Solver solver, Buffer* mask = nullptr) {
  Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
  if (mask != nullptr)
    machine.input(mask->data(), static_cast<size_t>(mask->size()) * size_of(mask->type()), "mask");
  made.solve_on(machine, solver);
}

}  // namespace

TEST_CASE("attention: keys that the lowest finite numbers push away are kept, where there are no others") {
  // This is the lowest number in log2 units; no mask lowers a score further.
  constexpr double lowest = -2.3586573e38;
  for (const Solver solver : solvers) {
    for (const DType type : types) {
      for (const DType mask_type : {DType::float32, DType::bfloat16}) {
        for (const bool transposed : {false, true}) {
          Random random(41);
          constexpr int64_t rows = 6, keys = 90;
          DenseAttention made(random, type, 1, 1, 2, rows, keys, 40);
          made.problem.scoring.window.right = random.chance(0.5) ? 0 : unbounded;
          Buffer mask(mask_type, rows * keys), bounded(DType::float32, rows * keys);
          for (int64_t i = 0; i < mask.size(); ++i) {
            // The first two rows have no other number.
            const double number = i % rows >= 2 && random.chance(0.5) ? random.pick({0.0, 1.0})
                                  : random.chance(0.1)                ? -INFINITY
                                                       : random.pick({-1e30, -2.5e38, -3e38, -3.38e38});
            const int64_t at = transposed ? i : i % rows * keys + i / rows;
            mask.set(at, number);
            bounded.set(at, number == -INFINITY ? number : std::fmax(mask[at], lowest));
          }
          made.problem.scoring.mask = {mask.data(),          mask_type, 0, 0, transposed ? 1 : keys,
                                       transposed ? rows : 1};
          solve(random, made, solver, &mask);
          made.problem.scoring.mask.data = bounded.data();
          made.problem.scoring.mask.type = DType::float32;
          check_against_oracle(made.problem, &made.output);
        }
      }
    }
  }
}

TEST_CASE("attention: NaN of a mask is NaN in its row") {
  for (const Solver solver : solvers) {
    for (const DType type : types) {
      Random random(42);
      constexpr int64_t rows = 5, keys = 70;
      DenseAttention made(random, type, 1, 1, 1, rows, keys, 32);
      Buffer mask(DType::float32, rows * keys);
      for (int64_t i = 0; i < mask.size(); ++i) mask.set(i, random.chance(0.5) ? -INFINITY : random.normal());
      mask.set(2 * keys + 30, NAN);
      made.problem.scoring.mask = {mask.data(), DType::float32, 0, 0, keys, 1};
      solve(random, made, solver, &mask);
      check_against_oracle(made.problem, &made.output);
    }
  }
}

TEST_CASE("attention: an infinite value is NaN where its key is attended with the weight 0") {
  for (const Solver solver : solvers) {
    for (const DType type : types) {
      for (const bool causal : {false, true}) {
        for (const bool masked : {false, true}) {
          Random random(43);
          constexpr int64_t rows = 8, keys = 70, width = 40, weightless = 65, weighing = 66;
          DenseAttention made(random, type, 1, 1, 2, rows, keys, width);
          made.problem.scoring.window.right = causal ? 0 : unbounded;
          Buffer mask(DType::boolean, rows * keys);
          for (int64_t i = 0; i < mask.size(); ++i) mask.set(i, i % keys < 60 || random.chance(0.7));
          if (masked) made.problem.scoring.mask = {mask.data(), DType::boolean, 0, 0, keys, 1};
          // Queries are nonzero there and all have the same sign, so that scores are −∞ instead of NaN.
          for (int64_t row = 0; row < 2 * rows; ++row) made.query.set(row * width, 1 + random.integer(0, 3));
          made.key.set(weightless * width, -INFINITY);
          made.value.set(weightless * width + 3, INFINITY);
          made.value.set(weightless * width + 5, -INFINITY);
          made.value.set(weightless * width + 7, NAN);
          made.value.set(weighing * width + 9, INFINITY);
          solve(random, made, solver, &mask);
          check_against_oracle(made.problem, &made.output);
        }
      }
    }
  }
}

TEST_CASE("attention: a row whose scores are all −∞ is 0, whatever the values are") {
  for (const Solver solver : solvers) {
    for (const DType type : types) {
      Random random(45);
      constexpr int64_t rows = 6, keys = 560, width = 40;
      DenseAttention made(random, type, 1, 1, 1, rows, keys, width);
      for (int64_t row = 0; row < rows; ++row) made.query.set(row * width, 1);
      for (int64_t key = 0; key < keys; ++key) {
        for (int64_t d = 0; d < width; ++d) made.key.set(key * width + d, d == 0 ? -INFINITY : 0);
        made.value.set(key * width + key % width, random.pick({1.0F, INFINITY}));
      }
      solve(random, made, solver);
      check_against_oracle(made.problem, &made.output);
    }
  }
}

TEST_CASE("attention_decode: NaN of a chunk is NaN, however little the chunk weighs") {
  for (const DType type : types) {
    Random random(44);
    constexpr int64_t keys = 600, width = 32;
    DenseAttention made(random, type, 1, 1, 1, 1, keys, width);
    made.problem.scoring.scale = 1;
    for (int64_t d = 0; d < width; ++d) made.query.set(d, d == 0);
    // The keys of the first chunk lie 240 below the others.
    for (int64_t key = 0; key < keys; ++key) made.key.set(key * width, key < 256 ? -120 : 120);
    made.value.set(100 * width + 3, NAN);
    solve(random, made, [](const AttentionProblem& problem, cuda::Workspace& workspace) {
      cuda::attention_decode(problem, workspace);
    });
    check_against_oracle(made.problem, &made.output);
  }
}

}  // namespace heed::emulator
