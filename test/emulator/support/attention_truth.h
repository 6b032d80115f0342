// Compares attention problems on the emulator with the float64 oracle.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "machine/machine.h"
#include "support/oracle.h"
#include "support/random_attention.h"
#include "support/workspace.h"

namespace heed::emulator {

inline double tolerance_of(DType type) {
  return type == DType::float32 ? 1e-5 : type == DType::float16 ? 2e-3 : 1e-2;
}

// Queries that are folded into products are rounded to their type before they meet keys.
inline bool rounds_queries(const AttentionProblem& problem) {
  return problem.scoring.score.kind == ScoreKind::general && problem.query.type != DType::float32;
}

// The same problem with a score that the kernels have.
inline void use_possible_score(AttentionProblem& problem) {
  ScoreKind& kind = problem.scoring.score.kind;
  if (kind == ScoreKind::location) kind = ScoreKind::product;
}

// Registers the memory of a problem with a machine.
inline void give(Machine& machine, test::RandomAttention& made) {
  const auto bytes = [](test::Buffer& buffer) {
    return static_cast<size_t>(buffer.size()) * size_of(buffer.type());
  };
  machine.input(made.query->data(), bytes(*made.query), "query");
  machine.input(made.key->data(), bytes(*made.key), "key");
  machine.input(made.value->data(), bytes(*made.value), "value");
  if (made.mask != nullptr) machine.input(made.mask->data(), bytes(*made.mask), "mask");
  if (made.weight != nullptr) machine.input(made.weight->data(), bytes(*made.weight), "weight");
  if (!made.choices.empty())
    machine.output(made.choices.data(), made.choices.size() * sizeof(double), "choices");
  machine.output(made.output->data(), bytes(*made.output), "output");
  machine.output(made.log_sum_exp->data(), bytes(*made.log_sum_exp), "log-sum-exp");
}

// The norm of the difference is relative to the norm of the truth over the whole output, as in the native
// tests. Non-finite results must match exactly, and nothing between the rows may have been written.
inline void check_against_oracle(const AttentionProblem& p, const test::Buffer* output = nullptr) {
  double error = 0, norm = 0, log_sum_error = 0;
  int64_t wrong = 0, numbers = 0;
  for (int64_t b = 0; b < static_cast<int64_t>(p.sequences.size()); ++b) {
    const Sequence& sequence = p.sequences[static_cast<size_t>(b)];
    for (int64_t h = 0; h < p.query_heads; ++h) {
      for (int64_t q = 0; q < sequence.query_steps; ++q) {
        const test::OracleRow truth = test::oracle(p, b, h, q);
        const int64_t step = sequence.query_start + q;
        const int64_t at = b * p.output.batch_stride + h * p.output.head_stride + step * p.output.step_stride;
        for (int64_t d = 0; d < p.value_width; ++d) {
          const double got = test::read(p.output.data, p.output.type, at + d);
          const double expected = truth.output[static_cast<size_t>(d)];
          numbers += std::isnan(got) ? 0 : 1;
          if (!std::isfinite(expected)) {
            wrong += std::isnan(expected) ? !std::isnan(got) : got != expected;
            continue;
          }
          error += (got - expected) * (got - expected);
          norm += expected * expected;
        }
        const double lse = test::read(p.log_sum_exp.data, DType::float32,
                                      b * p.log_sum_exp.batch_stride + h * p.log_sum_exp.head_stride +
                                          step * p.log_sum_exp.step_stride);
        if (lse != truth.log_sum_exp && !(std::isnan(lse) && std::isnan(truth.log_sum_exp))) {
          const double difference = std::fabs(lse - truth.log_sum_exp) / (1 + std::fabs(truth.log_sum_exp));
          log_sum_error = std::isnan(difference) ? INFINITY : std::fmax(log_sum_error, difference);
        }
      }
    }
  }
  CAPTURE(static_cast<int>(p.query.type));
  CAPTURE(p.key_width);
  CAPTURE(p.value_width);
  const double tolerance = tolerance_of(p.query.type) * (rounds_queries(p) ? 4 : 1);
  CHECK(std::sqrt(error) <= tolerance * std::fmax(std::sqrt(norm), 0.2));
  CHECK(log_sum_error <= (rounds_queries(p) ? tolerance : 3e-6));
  CHECK(wrong == 0);
  if (output == nullptr) return;
  int64_t written = 0;
  for (int64_t i = 0; i < output->size(); ++i) written += std::isnan((*output)[i]) ? 0 : 1;
  CHECK(written == numbers);
}

}  // namespace heed::emulator
