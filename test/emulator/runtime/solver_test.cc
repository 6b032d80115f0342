// Tests random problems through the solver, as the addon calls it: some buffers are device memory, others are
// host memory and staged. Results are compared with the oracle.
#include <doctest/doctest.h>

#include "cuda/runtime/device_workspace.h"
#include "cuda/solve.h"
#include "cuda/unsupported.h"
#include "runtime/support.h"
#include "support/attention_truth.h"

namespace heed::emulator {

namespace {

using cuda::StagedWork;
using test::Buffer;

// Places buffers on the device: directly, or staged by the operation.
class Placement {
 public:
  Placement(ThreadPool& pool, std::shared_ptr<cuda::Device> device, test::Random& random)
      : pool_(pool), random_(random) {
    work_.device = std::move(device);
  }

  void* input(Buffer& buffer) {
    const cuda::Transfer there = place(buffer);
    if (random_.chance(0.5)) {
      work_.inputs.push_back(there);
    } else {
      StagedWork upload;
      upload.device = work_.device;
      upload.inputs = {there};
      run(pool_, plan_staged(std::move(upload)));
    }
    return there.device;
  }
  // Poisoned like on the host; copied back by the operation or later.
  void* output(Buffer& buffer) {
    const cuda::Transfer there = place(buffer);
    work_.inputs.push_back(there);
    (random_.chance(0.5) ? work_.outputs : later_).push_back(there);
    return there.device;
  }
  void solve(const Problem& problem) {
    work_.launch = [problem](cuda::Workspace& workspace) { cuda::solve(problem, workspace); };
    StagedWork download;
    download.device = work_.device;
    download.outputs = later_;
    run(pool_, plan_staged(std::move(work_)));
    run(pool_, plan_staged(std::move(download)));
  }

 private:
  cuda::Transfer place(Buffer& buffer) {
    const auto bytes = static_cast<size_t>(buffer.size()) * size_of(buffer.type());
    blocks_.push_back(block_on(*work_.device, bytes));
    return {static_cast<std::byte*>(buffer.data()), blocks_.back().data(), bytes};
  }

  ThreadPool& pool_;
  test::Random& random_;
  StagedWork work_;
  std::vector<cuda::Transfer> later_;
  std::vector<cuda::DeviceBlock> blocks_;
};

}  // namespace

TEST_CASE("solver: random attention, with buffers on the device and on the host") {
  EmulatedGpu gpu;
  const auto pool = std::make_shared<ThreadPool>();
  int decoded = 0, others = 0;
  const uint64_t repeats = test::problems() / 2;
  for (uint64_t stream = 0; stream < repeats; ++stream) {
    CAPTURE(stream);
    test::Random random(9'700'000 + stream);
    test::AttentionLimits limits{
        .batch = 2, .key_heads = 2, .group = 3, .width = 80, .queries = 40, .keys = 300};
    if (random.chance(0.5)) limits.queries = 4;
    test::RandomAttention made(random, limits);
    const AttentionProblem on_host = made.problem;
    AttentionProblem problem = on_host;
    Placement placement(*pool, gpu.device, random);
    // Views may begin after the start of their buffers.
    const auto move = [](auto& view, test::Buffer& buffer, void* there) {
      const auto* here = static_cast<const std::byte*>(buffer.data());
      view.data = static_cast<std::byte*>(there) + (static_cast<const std::byte*>(view.data) - here);
    };
    move(problem.query, *made.query, placement.input(*made.query));
    move(problem.key, *made.key, placement.input(*made.key));
    move(problem.value, *made.value, placement.input(*made.value));
    if (made.mask != nullptr) move(problem.scoring.mask, *made.mask, placement.input(*made.mask));
    move(problem.output, *made.output, placement.output(*made.output));
    move(problem.log_sum_exp, *made.log_sum_exp, placement.output(*made.log_sum_exp));
    for (const Sequence& sequence : problem.sequences)
      ++(cuda::kernel_for(problem, sequence) == cuda::AttentionKernel::decode ? decoded : others);
    placement.solve(problem);
    check_against_oracle(on_host, made.output.get());
  }
  CHECK(decoded > 0);
  CHECK(others > 0);
}

TEST_CASE("solver: an input and a weight of different types are multiplied in float32") {
  EmulatedGpu gpu;
  const auto pool = std::make_shared<ThreadPool>();
  constexpr DType types[] = {DType::float32, DType::float16, DType::bfloat16};
  test::Random random(98);
  for (const DType input_type : types) {
    for (const DType weight_type : types) {
      const int64_t rows = random.integer(1, 70), inner = random.integer(1, 50),
                    columns = random.integer(1, 50);
      Buffer input(input_type, rows * inner), weight(weight_type, columns * inner),
          output(DType::float32, rows * columns);
      for (Buffer* buffer : {&input, &weight}) {
        for (int64_t i = 0; i < buffer->size(); ++i) buffer->set(i, random.integer(-16, 16) / 8.0);
      }
      Placement placement(*pool, gpu.device, random);
      ProjectionProblem problem;
      problem.rows = problem.steps = rows;
      problem.inner = inner;
      problem.columns = columns;
      problem.input = placement.input(input);
      problem.weight = placement.input(weight);
      problem.input_type = input_type;
      problem.weight_type = weight_type;
      problem.targets = {
          {0, columns, columns, {placement.output(output), DType::float32, 0, 0, columns}, {}, {}}};
      placement.solve(problem);
      int64_t wrong = 0;
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t column = 0; column < columns; ++column) {
          double truth = 0;
          for (int64_t i = 0; i < inner; ++i) truth += input[row * inner + i] * weight[column * inner + i];
          wrong += output[row * columns + column] != truth;
        }
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("solver: what no kernel does is refused before anything is launched") {
  EmulatedGpu gpu;
  gpu.device->use([&] {
    cuda::DeviceWorkspace workspace(*gpu.device);
    AttentionProblem problem;
    problem.query_heads = problem.key_heads = 1;
    problem.scoring.score.kind = ScoreKind::additive;
    CHECK_THROWS_WITH_AS(cuda::solve(problem, workspace),
                         "The cuda backend does not support scores of types location and additive",
                         cuda::Unsupported);
    problem.scoring.score.kind = ScoreKind::product;
    problem.scoring.selection.kind = SelectionKind::local;
    CHECK_THROWS_AS(cuda::solve(problem, workspace), cuda::Unsupported);
    problem.scoring.selection.kind = SelectionKind::soft;
    problem.key.type = DType::int8;
    CHECK_THROWS_AS(cuda::solve(problem, workspace), cuda::Unsupported);
  });
}

}  // namespace heed::emulator
