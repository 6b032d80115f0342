#include "addon/recorder.h"

#include <algorithm>

namespace heed {

template <class Problem>
void Recorder::keep(const Problem& problem, void (Solver::*solve)(const Problem&)) {
  problems_.push_back([problem, solve](Solver& solver) { (solver.*solve)(problem); });
}

void Recorder::replay(Solver& solver) const {
  for (const auto& problem : problems_) problem(solver);
}

Recorder::Buffer* Recorder::find(const void* data) {
  const auto* place = static_cast<const std::byte*>(data);
  const auto found = std::ranges::find_if(buffers_, [place](const Buffer& buffer) {
    return place >= buffer.data && place < buffer.data + buffer.bytes;
  });
  return found == buffers_.end() ? nullptr : &*found;
}

void Recorder::reads(const void* data) {
  if (Buffer* buffer = find(data)) buffer->touched = true;
}

// Decoding has made sure that no problem writes to an element twice.
void Recorder::writes(const void* data, int64_t elements, DType type) {
  Buffer* buffer = find(data);
  if (buffer == nullptr) return;
  buffer->written = true;
  if (!buffer->touched) buffer->overwritten = static_cast<size_t>(elements) * size_of(type) == buffer->bytes;
  buffer->touched = true;
}

void Recorder::attends(const AttentionProblem& problem) {
  for (const void* data : {problem.query.data, problem.key.data, problem.value.data, problem.mask.data,
                           problem.score.weight.data, problem.score.key.data, problem.score.vector.data,
                           problem.selection.centers.data}) {
    reads(data);
  }
  if (problem.pages == nullptr) return;
  for (const auto* pages : {&problem.pages->keys, &problem.pages->values}) {
    for (const void* page : *pages) reads(page);
  }
}

void Recorder::attention(const AttentionProblem& problem) {
  attends(problem);
  int64_t rows = 0;
  for (const Sequence& sequence : problem.sequences) rows += sequence.query_steps * problem.query_heads;
  writes(problem.output.data, rows * problem.value_width, problem.output.type);
  writes(problem.log_sum_exp.data, rows, DType::float32);
  // As pairs of float32.
  writes(problem.selection.choices.data, 2 * rows, DType::float32);
  keep(problem, &Solver::attention);
}

void Recorder::unfused(const AttentionProblem& problem) {
  attention(problem);
}

void Recorder::rows(const RowsProblem& problem) {
  attends(problem.attention);
  reads(problem.attention.log_sum_exp.data);
  reads(problem.attention.selection.choices.data);
  const auto rows = static_cast<int64_t>(problem.attention.sequences.size() * problem.heads.size() *
                                         problem.queries.size());
  for (const float* data : {problem.scores, problem.capped_scores, problem.biased_scores, problem.weights})
    writes(data, rows * problem.keys, DType::float32);
  keep(problem, &Solver::rows);
}

void Recorder::projection(const ProjectionProblem& problem) {
  reads(problem.input);
  reads(problem.weight);
  for (const ProjectionTarget& target : problem.targets) {
    for (const float* data : {target.norm.weight, target.rotation.cos, target.rotation.sin}) reads(data);
  }
  for (const ProjectionTarget& target : problem.targets)
    writes(target.view.data, problem.rows * target.columns, target.view.type);
  keep(problem, &Solver::projection);
}

void Recorder::merge(const MergeProblem& problem) {
  for (const MergeProblem::Part& part : problem.parts) {
    reads(part.output);
    reads(part.log_sum_exp);
  }
  writes(problem.output, problem.rows * problem.width, problem.type);
  writes(problem.log_sum_exp, problem.rows, DType::float32);
  keep(problem, &Solver::merge);
}

// Some rows of each page.
void Recorder::append(const AppendProblem& problem) {
  reads(problem.key.data);
  reads(problem.value.data);
  for (const auto* pages : {&problem.pages->keys, &problem.pages->values}) {
    for (const void* page : *pages) {
      reads(page);
      writes(page, 0, DType::float32);
    }
  }
  keep(problem, &Solver::append);
}

void Recorder::cast(const CastProblem& problem) {
  reads(problem.from);
  writes(problem.to, problem.count, problem.to_type);
  keep(problem, &Solver::cast);
}

}  // namespace heed
