// Records how every kernel is launched, without running it: scripts/check-cuda.mjs calculates from it how
// many blocks share a multiprocessor.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "cuda/launchers.h"
#include "support/dense_attention.h"
#include "support/drawn.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

using cuda::emulator::Shape;

// All rows in one page, of the type of the queries or of a scaled one.
AttentionProblem in_a_page(AttentionProblem problem, DType type) {
  const auto tables = std::make_shared<PageTables>();
  const int64_t steps = problem.sequences[0].key_steps;
  tables->first = {0};
  tables->keys = {const_cast<void*>(problem.key.data)};
  tables->values = {const_cast<void*>(problem.value.data)};
  tables->key = {steps, tables->first.data(), tables->keys.data()};
  tables->value = {steps, tables->first.data(), tables->values.data()};
  if (is_scaled(type)) {
    tables->key_scales = tables->value_scales = {static_cast<float*>(tables->keys[0])};
    tables->key.scales = tables->key_scales.data();
    tables->value.scales = tables->value_scales.data();
  }
  problem.key.data = problem.value.data = nullptr;
  problem.key.type = problem.value.type = type;
  problem.key.pages = &tables->key;
  problem.value.pages = &tables->value;
  problem.pages = tables;
  return problem;
}

void launch_attention(test::Random& random, cuda::Workspace& workspace, DType type, int64_t width) {
  DenseAttention made(random, type, 1, 1, 1, 1, 600, width);
  cuda::attention_forward(made.problem, workspace);
  cuda::attention_decode(made.problem, workspace);
  cuda::attention_forward(in_a_page(made.problem, type), workspace);
  cuda::attention_decode(in_a_page(made.problem, type), workspace);
  cuda::attention_decode(in_a_page(made.problem, DType::int8), workspace);
  if (size_of(type) == 2) cuda::attention_forward(in_a_page(made.problem, DType::int8), workspace);
  --made.problem.value_width;
  cuda::attention_forward(made.problem, workspace);
  cuda::attention_decode(made.problem, workspace);
  ++made.problem.value_width;
  RowsProblem rows;
  rows.attention = made.problem;
  rows.heads = rows.queries = {0};
  rows.keys = 600;
  cuda::attention_rows(rows, workspace);
  for (const DType stored : {DType::int8, DType::float8}) {
    rows.attention = in_a_page(made.problem, stored);
    cuda::attention_rows(rows, workspace);
  }
  made.problem.scoring.softcap = 1;
  cuda::attention_forward(made.problem, workspace);
  cuda::attention_forward(in_a_page(made.problem, type), workspace);
  for (const DType mask : {DType::boolean, type}) {
    made.problem.scoring.mask = {made.query.data(), mask, 0, 0, 0, 1};
    cuda::attention_forward(made.problem, workspace);
  }
  made.problem.scoring.mask = {};
  made.problem.scoring.selection.kind = SelectionKind::hard;
  cuda::attention_choose(made.problem, workspace);
  for (const ScoreKind score : {ScoreKind::general, ScoreKind::cosine}) {
    made.problem.scoring.score.kind = score;
    made.problem.scoring.score.weight = {made.query.data(), type, width * width};
    cuda::attention_choose(made.problem, workspace);
  }
}

void launch_projections(cuda::Workspace& workspace, DType type) {
  alignas(16) float nothing[4] = {};
  for (const int64_t rows : {1, 100}) {
    ProjectionProblem problem;
    problem.rows = problem.steps = rows;
    problem.inner = problem.columns = 64;
    problem.input = problem.weight = nothing;
    problem.input_type = problem.weight_type = type;
    problem.targets = {{0, 64, 64, {nothing, type, rows * 64, 64, 64}, {}, {64, false, 1, nothing, nothing}}};
    cuda::projection(problem, workspace);
  }
}

void launch_merge(cuda::Workspace& workspace, DType type) {
  alignas(16) float nothing[4] = {};
  MergeProblem problem;
  problem.rows = problem.width = 1;
  problem.type = type;
  problem.parts = {{nothing, nothing}};
  problem.output = problem.log_sum_exp = nothing;
  cuda::merge(problem, workspace);
}

void launch_heads(cuda::Workspace& workspace, DType type) {
  alignas(16) float nothing[4] = {};
  HeadsProblem problem;
  problem.batch = problem.heads = problem.steps = problem.width = 1;
  problem.from = {nothing, type, 1, 1, 1};
  problem.to = {nothing, type, 1, 1, 1};
  cuda::copy_heads(problem, workspace);
}

// What lies between two attentions.
void launch_rows(cuda::Workspace& workspace, DType type) {
  alignas(16) float nothing[4] = {};
  NormProblem norm;
  norm.rows = 1;
  norm.width = 4096;
  norm.type = type;
  norm.input = norm.weight = norm.output = nothing;
  cuda::norm(norm, workspace);
  EmbeddingProblem embedding;
  embedding.width = 4096;
  embedding.type = type;
  embedding.tables = {{nothing, {0}}};
  embedding.output = nothing;
  cuda::embed(embedding, workspace);
  PoolingProblem pooling;
  pooling.width = 4096;
  pooling.type = type;
  pooling.input = pooling.output = nothing;
  pooling.starts = {0, 1};
  pooling.normalised = true;
  cuda::pool(pooling, workspace);
  SampleProblem sample;
  sample.vocabulary = 2;
  sample.type = type;
  sample.logits = nothing;
  sample.tokens = reinterpret_cast<int32_t*>(nothing);
  sample.rows.resize(1);
  cuda::sample(sample, workspace);
  sample.rows[0].repetition_penalty = 2;
  sample.rows[0].previous = {1};
  cuda::sample(sample, workspace);
}

void launch_copies(cuda::Workspace& workspace, DType from, DType to) {
  alignas(16) float memory[8] = {};
  for (const int64_t offset : {0, 1}) {
    const auto* source = reinterpret_cast<const char*>(memory) + offset * static_cast<int64_t>(size_of(from));
    cuda::cast({source, from, memory, to, 16}, workspace);
    AppendProblem problem;
    problem.heads = 1;
    problem.key_width = problem.value_width = 64;
    problem.parts = {{0, 0, 1, 0}};
    problem.key = problem.value = {source, from, 64, 64, 64};
    const auto tables = std::make_shared<PageTables>();
    tables->first = {0};
    tables->keys = tables->values = {memory};
    tables->key = tables->value = {1, tables->first.data(), tables->keys.data()};
    problem.pages = tables;
    problem.cached_key = problem.cached_value = {nullptr, to, 0, 64, 64, &tables->key};
    cuda::append(problem, workspace);
  }
}

void launch_quantisation(cuda::Workspace& workspace, DType from) {
  alignas(16) float memory[8] = {};
  const auto tables = std::make_shared<PageTables>();
  tables->first = {0};
  tables->keys = tables->values = {memory};
  tables->key_scales = tables->value_scales = {memory};
  tables->key_outliers = {reinterpret_cast<uint8_t*>(memory)};
  tables->value = {1, tables->first.data(), tables->values.data(), tables->value_scales.data()};
  tables->key = tables->value;
  tables->key.outliers = tables->key_outliers.data();
  AppendProblem problem;
  problem.heads = 1;
  problem.key_width = problem.value_width = 64;
  problem.parts = {{0, 0, 1, 0}};
  problem.key = problem.value = {memory, from, 64, 64, 64};
  problem.pages = tables;
  problem.cached_key = {nullptr, DType::int8, 0, 64, 64, &tables->key};
  problem.cached_value = {nullptr, DType::int8, 0, 64, 64, &tables->value};
  cuda::append(problem, workspace);
  tables->key.outliers = nullptr;
  problem.cached_key.type = problem.cached_value.type = DType::float8;
  cuda::append(problem, workspace);
}

}  // namespace

TEST_CASE("every kernel fits onto every GPU from sm_80 on") {
  Machine machine(1);
  std::map<std::string, Shape> launches;
  machine.instead_of_running = [&launches](const std::string& kernel, const Shape& shape) {
    const auto [at, is_new] = launches.emplace(kernel, shape);
    if (!is_new) at->second.shared_bytes = std::max(at->second.shared_bytes, shape.shared_bytes);
  };
  EmulatedWorkspace workspace(machine);
  test::Random random(19);
  for (const DType type : types) {
    for (const int64_t width : {64, 128, 256, 512}) launch_attention(random, workspace, type, width);
    launch_projections(workspace, type);
    launch_merge(workspace, type);
    launch_heads(workspace, type);
    launch_rows(workspace, type);
    for (const DType to : types) launch_copies(workspace, type, to);
    launch_quantisation(workspace, type);
  }
  // Masks use additional shared memory in this kernel.
  Machine with_mask(1);
  with_mask.instead_of_running = [](const std::string&, const Shape& shape) {
    CHECK(shape.shared_bytes <= most_shared_bytes(86));
  };
  for (const DType type : types) {
    for (const int64_t width : {64, 128, 256, 512}) {
      DenseAttention made(random, type, 1, 1, 1, 1, 600, width);
      EmulatedWorkspace memory(with_mask);
      made.problem.scoring.mask = {made.query.data(), DType::float32, 0, 0, 0, 1};
      cuda::attention_decode(made.problem, memory);
      cuda::attention_decode(in_a_page(made.problem, DType::int8), memory);
    }
  }
  CHECK(launches.size() > 124);
  for (const auto& launched : launches) {
    INFO(launched.first);
    CHECK(launched.second.threads % 32 == 0);
    CHECK(launched.second.shared_bytes <= most_shared_bytes(86));
  }
  if (const char* path = std::getenv("HEED_KERNEL_LAUNCHES")) {
    std::ofstream file(path);
    for (const auto& [kernel, shape] : launches)
      file << shape.threads << '\t' << shape.shared_bytes << '\t' << kernel << '\n';
  }
}

}  // namespace heed::emulator
