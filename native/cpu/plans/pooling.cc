// Plans pooling: a task for each sequence.
#include <cmath>
#include <memory>

#include "cpu/backend.h"
#include "cpu/instruction_set.h"
#include "cpu/plans/rows.h"

namespace heed::cpu {

namespace {

// Of sums in float64, into which no sum of float32 numbers overflows.
void pool(const PoolingProblem& p, const ElementRows& rows, int64_t sequence, double* sum, float* row) {
  const int64_t start = p.starts[static_cast<size_t>(sequence)];
  const int64_t end = p.starts[static_cast<size_t>(sequence) + 1];
  const bool mean = p.pooling == Pooling::mean;
  const int64_t first = p.pooling == Pooling::last ? end - 1 : start;
  const int64_t count = start == end ? 0 : mean ? end - start : 1;
  for (int64_t d = 0; d < p.width; ++d) sum[d] = 0;
  for (int64_t step = first; step < first + count; ++step) {
    rows.read(p.input, step, row);
    for (int64_t d = 0; d < p.width; ++d) sum[d] += static_cast<double>(row[d]);
  }
  double divisor = count > 1 ? static_cast<double>(count) : 1;
  if (p.normalised) {
    double squares = 0;
    for (int64_t d = 0; d < p.width; ++d) squares += sum[d] * sum[d];
    divisor = squares == 0 ? 1 : std::sqrt(squares);
  }
  for (int64_t d = 0; d < p.width; ++d) row[d] = static_cast<float>(sum[d] / divisor);
  rows.write(row, p.output, sequence);
}

}  // namespace

void plan(const PoolingProblem& problem, Plan& plan) {
  if (problem.sequences() == 0 || problem.width == 0) return;
  const auto pooled = std::make_shared<const PoolingProblem>(problem);
  const ElementRows rows{kernels(), problem.type, problem.width};
  plan.push_back({problem.sequences(), [=](const TaskContext& context) {
                    const auto width = static_cast<size_t>(pooled->width);
                    auto* sum = static_cast<double*>(
                        context.scratch.reserve(width * (sizeof(double) + sizeof(float))));
                    pool(*pooled, rows, context.task, sum, reinterpret_cast<float*>(sum + width));
                  }});
}

}  // namespace heed::cpu
