// Tests operations as graphs: what they compute, how many graphs there are, and what happens when something
// fails.
#include "cuda/runtime/kept_graphs.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "cuda/launchers.h"
#include "cuda/runtime/device_workspace.h"
#include "cuda/solve.h"
#include "cuda/unsupported.h"
#include "runtime/layer.h"

namespace heed::emulator {

namespace {

using cuda::DeviceBlock;
using Types = std::vector<DType>;

constexpr DType f32 = DType::float32, f16 = DType::float16, bf16 = DType::bfloat16;

void synchronize(EmulatedGpu& gpu) {
  gpu.device->use([&] { gpu.driver.synchronize(gpu.device->stream()); });
}

// Numbers that every type represents, which one operation converts from each type to the next, and back to
// the first, float32.
class Chain {
 public:
  Chain(EmulatedGpu& gpu, test::Random& random, const Types& types, int64_t count)
      : gpu_(gpu), types_(types), count_(count) {
    for (size_t i = 0; i <= types.size(); ++i)
      blocks_.push_back(block_on(*gpu.device, static_cast<size_t>(count) * sizeof(float)));
    for (int64_t i = 0; i < count; ++i) given_.push_back(static_cast<float>(random.integer(-64, 64)) / 8);
    gpu.device->use([&] { gpu.driver.clear(blocks_[0].data(), bytes(), gpu.device->stream()); });
    synchronize(gpu);
    std::memcpy(blocks_[0].data(), given_.data(), bytes());
  }

  void run() {
    gpu_.device->use([&] {
      cuda::DeviceWorkspace workspace(*gpu_.device);
      for (size_t i = 0; i < types_.size(); ++i) {
        const DType from = i == 0 ? f32 : types_[i - 1];
        const DType to = i + 1 == types_.size() ? f32 : types_[i];
        cuda::cast({blocks_[i].data(), from, blocks_[i + 1].data(), to, count_}, workspace);
      }
      workspace.enqueue();
    });
  }
  bool is_right() {
    synchronize(gpu_);
    return std::memcmp(blocks_.back().data(), given_.data(), bytes()) == 0;
  }

 private:
  size_t bytes() const { return static_cast<size_t>(count_) * sizeof(float); }

  EmulatedGpu& gpu_;
  const Types types_;
  const int64_t count_;
  std::vector<DeviceBlock> blocks_;
  std::vector<float> given_;
};

bool converts(EmulatedGpu& gpu, test::Random& random, const Types& types) {
  Chain chain(gpu, random, types, random.integer(1, 4000));
  chain.run();
  return chain.is_right();
}

uint64_t made(EmulatedGpu& gpu) {
  return gpu.driver.calls("cudaGraphInstantiate");
}
uint64_t changed(EmulatedGpu& gpu) {
  return gpu.driver.calls("cudaGraphExecKernelNodeSetParams");
}
uint64_t launched(EmulatedGpu& gpu) {
  return gpu.driver.calls("cudaGraphLaunch");
}

// Launches each kernel at once, without a graph.
class OneByOne final : public cuda::Workspace {
 public:
  explicit OneByOne(cuda::Device& device) : Workspace(device.stream()), device_(device), memory_(device) {}
  using Workspace::upload;

  cuda::DeviceCapacity capacity() const override { return memory_.capacity(); }
  void* allocate(size_t bytes) override { return memory_.allocate(bytes); }
  const void* upload(const void* bytes, size_t count) override { return memory_.upload(bytes, count); }
  void launch(cuda::KernelLaunch&& launch) override {
    memory_.enqueue();
    launch.start(launch, device_.stream());
  }

 private:
  cuda::Device& device_;
  cuda::DeviceWorkspace memory_;
};

}  // namespace

TEST_CASE("graphs: the same kernels make one, whatever memory they use and however much there is to do") {
  EmulatedGpu gpu;
  test::Random random(107);
  const Types types = {f16, bf16, bf16, f32};
  std::vector<DeviceBlock> in_the_way;
  for (uint64_t i = 0; i < 30; ++i) {
    if (random.chance(0.5)) {
      in_the_way.push_back(block_on(*gpu.device, static_cast<size_t>(random.integer(1, 16000))));
    } else {
      in_the_way.clear();
    }
    CHECK(converts(gpu, random, types));
    CHECK(made(gpu) == (i == 0 ? 0 : 1));
    CHECK(launched(gpu) == i);
  }
  CHECK(changed(gpu) > 0);
  CHECK(changed(gpu) <= 28 * types.size());
}

TEST_CASE("graphs: nothing is changed where nothing differs, and one launch where that differs") {
  EmulatedGpu gpu;
  test::Random random(108);
  Chain chain(gpu, random, {bf16, f16, f32}, 100);
  for (int i = 0; i < 5; ++i) chain.run();
  CHECK(chain.is_right());
  CHECK(made(gpu) == 1);
  CHECK(launched(gpu) == 4);
  CHECK(changed(gpu) == 0);
  Chain other(gpu, random, {bf16, f16, f32}, 100);
  other.run();
  CHECK(other.is_right());
  CHECK(changed(gpu) == 3);
  CHECK(made(gpu) == 1);
}

TEST_CASE("graphs: few launches are made without one, and so are very many, which are bounded so") {
  EmulatedGpu gpu;
  test::Random random(109);
  for (int i = 0; i < 5; ++i) {
    CHECK(converts(gpu, random, {f32}));
    CHECK(converts(gpu, random, {f16, f32}));
    CHECK(converts(gpu, random, Types(cuda::KeptGraphs::most_launches + 1, f32)));
  }
  CHECK(made(gpu) == 0);
  for (int i = 0; i < 2; ++i) CHECK(converts(gpu, random, Types(cuda::KeptGraphs::most_launches, f32)));
  CHECK(made(gpu) == 1);
}

TEST_CASE("graphs: there are 64 at most, those that were used last stay, and none is left in the end") {
  EmulatedGpu gpu;
  test::Random random(110);
  const Types often = {f32, f32, f32};
  for (int i = 0; i < 2; ++i) CHECK(converts(gpu, random, often));
  for (int i = 0; i < 150; ++i) {
    Types types;
    for (int at = 0; at < 8; ++at) types.push_back(random.pick({f32, f16, bf16}));
    for (int repeat = 0; repeat < 2; ++repeat) {
      Chain chain(gpu, random, types, random.integer(1, 50));
      chain.run();
      CHECK(chain.is_right());
    }
    const uint64_t before = made(gpu);
    CHECK(converts(gpu, random, often));
    CHECK(made(gpu) == before);
    CHECK(gpu.driver.graphs() <= cuda::KeptGraphs::most_graphs);
  }
  CHECK(gpu.driver.graphs() == cuda::KeptGraphs::most_graphs);
  gpu.device.reset();
  CHECK(gpu.driver.graphs() == 0);
}

TEST_CASE("graphs: an operation whose graph cannot be made, changed or launched is launched without one") {
  for (const char* call : {"cudaGraphInstantiate", "cudaGraphExecKernelNodeSetParams", "cudaGraphLaunch"}) {
    CAPTURE(call);
    EmulatedGpu gpu;
    test::Random random(111);
    const Types types = {f16, bf16, f32};
    gpu.driver.fail_next(call);
    for (int i = 0; i < 6; ++i) CHECK(converts(gpu, random, types));
    CHECK(gpu.driver.calls(call) == 1);
    CHECK(gpu.driver.graphs() == 0);
    // Other operations have theirs.
    for (int i = 0; i < 3; ++i) CHECK(converts(gpu, random, {bf16, bf16, bf16}));
    CHECK(gpu.driver.graphs() == 1);
  }
}

TEST_CASE("graphs: a device that is lost in one is reported, and leaves none") {
  DriverOptions options;
  options.most_launches = 20;
  EmulatedGpu gpu(options);
  test::Random random(113);
  CHECK_THROWS_AS(
      [&] {
        for (int i = 0; i < 20; ++i) converts(gpu, random, {f16, bf16, f32});
      }(),
      cuda::DeviceLost);
  CHECK(launched(gpu) > 0);
  CHECK_THROWS_AS(block_on(*gpu.device, 1), cuda::DeviceLost);
  gpu.device.reset();
  CHECK(gpu.driver.graphs() == 0);
}

TEST_CASE("graphs: several threads have the same operation at once, each with its memory") {
  EmulatedGpu gpu;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      test::Random random(114 + t);
      for (int i = 0; i < 25; ++i) wrong += !converts(gpu, random, {f16, bf16, f32});
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(made(gpu) == 1);
}

TEST_CASE("graphs: an operation of which a part is refused launches nothing") {
  EmulatedGpu gpu;
  test::Random random(118);
  Layer layer(*gpu.device, random, 1, 1);
  const ProjectionProblem in = layer.project_in();
  AttentionProblem refused = layer.attend(10, false);
  refused.key_width = refused.value_width = 1024;
  const std::vector<float> given(static_cast<const float*>(in.targets[0].view.data),
                                 static_cast<const float*>(in.targets[0].view.data) + Layer::inner);
  const uint64_t before = gpu.driver.calls();
  gpu.device->use([&] {
    cuda::DeviceWorkspace workspace(*gpu.device);
    cuda::solve(in, workspace);
    CHECK_THROWS_AS(cuda::solve(refused, workspace), cuda::Unsupported);
  });
  // But for the bias that it keeps, and the memory for that.
  CHECK(gpu.driver.calls("cudaMemcpyAsync") == 1);
  CHECK(gpu.driver.calls() - before <= 6);
  synchronize(gpu);
  CHECK(std::memcmp(given.data(), in.targets[0].view.data, given.size() * sizeof(float)) == 0);
}

void expect_steps_one_by_one(ScoreKind kind, uint64_t seed) {
  EmulatedGpu gpu;
  test::Random random(seed);
  constexpr int64_t batch = 2, most_keys = 560, elements = batch * Layer::inner;
  Layer layer(*gpu.device, random, batch, 1);
  ProjectionProblem in = layer.project_in(), out = layer.project_in();
  AttentionProblem attention = layer.with_score(layer.attend(most_keys, true), kind);
  AppendProblem append = layer.append(0);
  const auto result = [&](size_t target) {
    const MutableView& view = in.targets[target].view;
    return View{view.data, view.type, view.batch_stride, view.head_stride, view.step_stride};
  };
  attention.query = result(0);
  append.key = result(1);
  append.value = result(2);
  out.input = attention.output.data;
  out.columns = Layer::inner;
  out.bias.clear();
  out.targets.resize(1);
  const auto step = [&](cuda::Workspace& workspace, int64_t keys, float* to) {
    out.targets[0].view.data = to;
    for (const Problem& problem :
         std::vector<Problem>{in, layer.at(append, keys - 1), layer.with_keys(attention, keys), out})
      cuda::solve(problem, workspace);
  };
  uint64_t steps = 0;
  for (int64_t keys = random.integer(1, 40); keys <= most_keys; keys += random.integer(1, 60), ++steps) {
    CAPTURE(keys);
    in.input = layer.numbers(elements);
    float *by_graph = layer.numbers(elements), *one_by_one = layer.numbers(elements);
    gpu.device->use([&] {
      cuda::DeviceWorkspace workspace(*gpu.device);
      step(workspace, keys, by_graph);
      workspace.enqueue();
    });
    gpu.device->use([&] {
      OneByOne workspace(*gpu.device);
      step(workspace, keys, one_by_one);
    });
    synchronize(gpu);
    CHECK(std::memcmp(by_graph, one_by_one, elements * sizeof(float)) == 0);
  }
  // Short sequences are not split, and take one launch less.
  CHECK(made(gpu) <= 2);
  CHECK(launched(gpu) >= steps - 2);
}

TEST_CASE("graphs: steps of a layer come to the same bits as its launches one by one, whatever their score") {
  expect_steps_one_by_one(ScoreKind::product, 119);
  expect_steps_one_by_one(ScoreKind::general, 120);
  expect_steps_one_by_one(ScoreKind::cosine, 121);
}

}  // namespace heed::emulator
