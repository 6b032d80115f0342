// Tests general and cosine scores on the emulator where random problems do not come.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "cuda/launchers.h"
#include "cuda/unsupported.h"
#include "machine/device_memory.h"
#include "support/attention_truth.h"
#include "support/dense_attention.h"

namespace heed::emulator {

namespace {

using Launch = void (*)(const AttentionProblem&, cuda::Workspace&);

}  // namespace

TEST_CASE("fold_score: cosines of vectors of any length, with zeros, in every kernel") {
  for (const Launch launch : {&cuda::attention_decode, &cuda::attention_forward}) {
    for (const DType type : {DType::float32, DType::bfloat16, DType::float16}) {
      test::Random random(11);
      DenseAttention made(random, type, 2, 2, 2, 5, 70, 64);
      made.problem.scoring.score.kind = ScoreKind::cosine;
      made.problem.scoring.scale = 4;
      // float16 ends at 65504, and has few digits below 2^-14.
      const std::vector<double> lengths = type == DType::float16
                                              ? std::vector<double>{0, 1e-2, 1, 1e4}
                                              : std::vector<double>{0, 1e-30, 1, 1e18, 1e36};
      for (test::Buffer* rows : {&made.query, &made.key}) {
        for (int64_t row = 0; row < rows->size() / 64; ++row) {
          const double length =
              lengths[static_cast<size_t>(random.integer(0, static_cast<int64_t>(lengths.size()) - 1))];
          for (int64_t d = 0; d < 64; ++d) rows->set(row * 64 + d, length * random.normal());
        }
      }
      Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
      made.solve_on(machine, launch);
      check_against_oracle(made.problem, &made.output);
    }
  }
}

TEST_CASE("fold_score: what is NaN or infinite in a key reaches the rows that attend it alone") {
  for (const Launch launch : {&cuda::attention_decode, &cuda::attention_forward}) {
    for (const double special : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
      test::Random random(12);
      DenseAttention made(random, DType::float32, 1, 1, 1, 4, 40, 32);
      made.problem.scoring.score.kind = ScoreKind::cosine;
      made.key.set(38 * 32 + 5, special);  // rows 2 and 3 attend it
      Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
      made.solve_on(machine, launch);
      for (int64_t row = 0; row < 4; ++row) {
        for (int64_t d = 0; d < 32; ++d) CHECK(std::isnan(made.output[row * 32 + d]) == (row >= 2));
      }
    }
  }
}

TEST_CASE("fold_score: what is too much") {
  Machine machine(1);
  EmulatedWorkspace workspace(machine);
  AttentionProblem problem;
  problem.scoring.score.kind = ScoreKind::general;
  problem.query_heads = problem.key_heads = 1;
  problem.query_width = 1600;
  problem.key_width = problem.value_width = 64;
  problem.sequences = {{0, 1, 0, 1, 0}};
  CHECK_THROWS_AS(cuda::attention_forward(problem, workspace), cuda::Unsupported);
  for (const ScoreKind kind : {ScoreKind::location, ScoreKind::additive}) {
    problem.scoring.score.kind = kind;
    CHECK_THROWS_AS(cuda::attention_decode(problem, workspace), cuda::Unsupported);
  }
}

}  // namespace heed::emulator
