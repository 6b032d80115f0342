#include "core/accesses.h"

namespace heed {

namespace {

size_t bytes_of(int64_t elements, DType type) {
  return static_cast<size_t>(elements) * size_of(type);
}

std::vector<const void*> read_by_attention(const AttentionProblem& problem) {
  std::vector<const void*> reads{problem.query.data,
                                 problem.key.data,
                                 problem.value.data,
                                 problem.scoring.mask.data,
                                 problem.scoring.score.weight.data,
                                 problem.scoring.score.key.data,
                                 problem.scoring.score.vector.data,
                                 problem.scoring.selection.centers.data};
  if (problem.pages != nullptr) {
    reads.insert(reads.end(), problem.pages->keys.begin(), problem.pages->keys.end());
    reads.insert(reads.end(), problem.pages->values.begin(), problem.pages->values.end());
  }
  return reads;
}

Accesses accesses(const AttentionProblem& problem) {
  int64_t rows = 0;
  for (const Sequence& sequence : problem.sequences) rows += sequence.query_steps * problem.query_heads;
  return {read_by_attention(problem),
          {{problem.output.data, bytes_of(rows * problem.value_width, problem.output.type)},
           {problem.log_sum_exp.data, bytes_of(rows, DType::float32)},
           {problem.scoring.selection.choices.data, static_cast<size_t>(rows) * sizeof(double)}}};
}

Accesses accesses(const RowsProblem& problem) {
  const AttentionProblem& attention = problem.attention;
  Accesses all{read_by_attention(attention), {}};
  all.reads.push_back(attention.log_sum_exp.data);
  all.reads.push_back(attention.scoring.selection.choices.data);
  const auto rows =
      static_cast<int64_t>(attention.sequences.size() * problem.heads.size() * problem.queries.size());
  for (const float* data : {problem.scores, problem.capped_scores, problem.biased_scores, problem.weights})
    all.writes.push_back({data, bytes_of(rows * problem.keys, DType::float32)});
  return all;
}

Accesses accesses(const ProjectionProblem& problem) {
  Accesses all{{problem.input, problem.weight}, {}};
  all.reads.push_back(problem.epilogue.residual);
  for (const ProjectionTarget& target : problem.targets) {
    for (const float* data : {target.norm.weight, target.norm.bias, target.rotation.cos, target.rotation.sin})
      all.reads.push_back(data);
    all.writes.push_back(
        {target.view.data,
         bytes_of(problem.rows * target.columns / problem.epilogue.columns_per_element(), target.view.type)});
  }
  return all;
}

Accesses accesses(const MergeProblem& problem) {
  Accesses all{{},
               {{problem.output, bytes_of(problem.rows * problem.width, problem.type)},
                {problem.log_sum_exp, bytes_of(problem.rows, DType::float32)}}};
  for (const MergeProblem::Part& part : problem.parts) {
    all.reads.push_back(part.output);
    all.reads.push_back(part.log_sum_exp);
  }
  return all;
}

// Some rows of each page are written; the others keep their contents.
Accesses accesses(const AppendProblem& problem) {
  Accesses all{{problem.key.data, problem.value.data}, {}};
  for (const auto* pages : {&problem.pages->keys, &problem.pages->values}) {
    for (const void* page : *pages) {
      all.reads.push_back(page);
      all.writes.push_back({page, 0});
    }
  }
  return all;
}

Accesses accesses(const CastProblem& problem) {
  return {{problem.from}, {{problem.to, bytes_of(problem.count, problem.to_type)}}};
}

Accesses accesses(const HeadsProblem& problem) {
  const int64_t elements = problem.batch * problem.heads * problem.steps * problem.width;
  return {{problem.from.data, problem.bias, problem.cos, problem.sin},
          {{problem.to.data, bytes_of(elements, problem.to.type)}}};
}

Accesses accesses(const NormProblem& problem) {
  const size_t bytes = bytes_of(problem.rows * problem.width, problem.type);
  return {{problem.input, problem.residual, problem.addend, problem.weight, problem.bias},
          {{problem.sum, bytes}, {problem.output, bytes}}};
}

Accesses accesses(const SampleProblem& problem) {
  return {{problem.logits}, {{problem.tokens, problem.rows.size() * sizeof(int32_t)}}};
}

Accesses accesses(const EmbeddingProblem& problem) {
  Accesses all{{}, {{problem.output, bytes_of(problem.rows() * problem.width, problem.type)}}};
  for (const EmbeddingProblem::Table& table : problem.tables) all.reads.push_back(table.data);
  return all;
}

Accesses accesses(const PoolingProblem& problem) {
  return {{problem.input}, {{problem.output, bytes_of(problem.sequences() * problem.width, problem.type)}}};
}

}  // namespace

Accesses accesses_of(const Problem& problem) {
  return std::visit([](const auto& each) { return accesses(each); }, problem);
}

}  // namespace heed
