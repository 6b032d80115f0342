// CUDA through its runtime, which is linked statically and finds the driver if there is one.
#include <cuda_runtime_api.h>

#include <memory>

#include "cuda/runtime/compatibility.h"
#include "cuda/runtime/devices.h"
#include "cuda/runtime/driver.h"

namespace heed::cuda {

// The nodes by which the parameters of `ready` are changed belong to `made`.
struct Graph {
  cudaGraph_t made = nullptr;
  cudaGraphExec_t ready = nullptr;
  std::vector<cudaGraphNode_t> nodes;

  Graph() = default;
  ~Graph() {
    if (ready != nullptr) cudaGraphExecDestroy(ready);
    if (made != nullptr) cudaGraphDestroy(made);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
};

namespace {

constexpr int least_major = 8;  // kernels require compute capability 8.0 or later

std::string in_words(const char* call, cudaError_t status) {
  return std::string(call) + " failed: " + cudaGetErrorName(status) + ", " + cudaGetErrorString(status);
}

void check(const char* call, cudaError_t status) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears the error, so that the next call does not report it
  if (status == cudaErrorMemoryAllocation) throw OutOfDeviceMemory(in_words(call, status));
  throw DeviceError(in_words(call, status));
}

cudaEvent_t event_of(Event* event) {
  return reinterpret_cast<cudaEvent_t>(event);
}

// Calls f with the launch as a node. CUDA copies the parameters.
template <class F>
cudaError_t with_node(const KernelLaunch& launch, F f) {
  void* arguments[] = {const_cast<std::byte*>(launch.parameters.data())};
  cudaKernelNodeParams node{};
  node.func = const_cast<void*>(launch.kernel);
  node.gridDim = dim3(static_cast<unsigned>(launch.shape.blocks));
  node.blockDim = dim3(launch.shape.threads);
  node.sharedMemBytes = static_cast<unsigned>(launch.shape.shared_bytes);
  node.kernelParams = arguments;
  return f(node);
}

class CudaDriver final : public Driver {
 public:
  CudaDriver() {
    cudaDriverGetVersion(&built_.driver);
    cudaRuntimeGetVersion(&built_.runtime);
    if (describe_versions(availability_, built_)) find_devices();
  }

  bool emulated() const override { return false; }
  const Availability& availability() override { return availability_; }
  void use(int device) override {
    check("cudaSetDevice", cudaSetDevice(ordinals_[static_cast<size_t>(device)]));
  }

  Stream make_stream() override {
    Stream stream;
    check("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
  }
  void destroy_stream(Stream stream) noexcept override { cudaStreamDestroy(stream); }
  void synchronize(Stream stream) override { check("cudaStreamSynchronize", cudaStreamSynchronize(stream)); }
  // A lost device returns its error from every call. An error that does not persist belongs to one call.
  bool is_lost(Stream stream) noexcept override {
    cudaGetLastError();
    const cudaError_t status = cudaStreamQuery(stream);
    cudaGetLastError();
    return status != cudaSuccess && status != cudaErrorNotReady;
  }

  void* allocate(size_t bytes) override {
    void* memory;
    check("cudaMalloc", cudaMalloc(&memory, bytes));
    return memory;
  }
  void free(void* memory) noexcept override { cudaFree(memory); }
  void* allocate_pinned(size_t bytes) override {
    void* memory;
    check("cudaHostAlloc", cudaHostAlloc(&memory, bytes, cudaHostAllocPortable));
    return memory;
  }
  void free_pinned(void* memory) noexcept override { cudaFreeHost(memory); }
  MemoryInfo memory_info() override {
    MemoryInfo info;
    check("cudaMemGetInfo", cudaMemGetInfo(&info.free, &info.total));
    return info;
  }
  void begin_use(void*, size_t, Stream) override {}

  void copy_to_device(void* to, const void* pinned, size_t bytes, Stream stream) override {
    check("cudaMemcpyAsync", cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream));
  }
  void copy_from_device(void* pinned, const void* from, size_t bytes, Stream stream) override {
    check("cudaMemcpyAsync", cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, stream));
  }
  void copy_on_device(void* to, const void* from, const Rows& rows, Stream stream) override {
    if (rows.count == 1) {
      check("cudaMemcpyAsync", cudaMemcpyAsync(to, from, rows.bytes, cudaMemcpyDeviceToDevice, stream));
    } else {
      check("cudaMemcpy2DAsync", cudaMemcpy2DAsync(to, rows.to_pitch, from, rows.from_pitch, rows.bytes,
                                                   rows.count, cudaMemcpyDeviceToDevice, stream));
    }
  }
  void copy_between_devices(void* to, int to_device, const void* from, int from_device, size_t bytes,
                            Stream stream) override {
    check("cudaMemcpyPeerAsync",
          cudaMemcpyPeerAsync(to, ordinals_[static_cast<size_t>(to_device)], from,
                              ordinals_[static_cast<size_t>(from_device)], bytes, stream));
  }
  void clear(void* memory, size_t bytes, Stream stream) override {
    check("cudaMemsetAsync", cudaMemsetAsync(memory, 0, bytes, stream));
  }

  Event* make_event() override {
    cudaEvent_t event;
    check("cudaEventCreateWithFlags", cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    return reinterpret_cast<Event*>(event);
  }
  void destroy_event(Event* event) noexcept override { cudaEventDestroy(event_of(event)); }
  void record(Event* event, Stream stream) override {
    check("cudaEventRecord", cudaEventRecord(event_of(event), stream));
  }
  bool passed(Event* event) override {
    const cudaError_t status = cudaEventQuery(event_of(event));
    if (status == cudaErrorNotReady) {
      cudaGetLastError();
      return false;
    }
    check("cudaEventQuery", status);
    return true;
  }
  void wait(Stream stream, Event* event) override {
    check("cudaStreamWaitEvent", cudaStreamWaitEvent(stream, event_of(event), 0));
  }

  Graph* make_graph(std::span<const KernelLaunch> launches) override {
    auto graph = std::make_unique<Graph>();
    check("cudaGraphCreate", cudaGraphCreate(&graph->made, 0));
    for (const KernelLaunch& launch : launches) {
      cudaGraphNode_t node = nullptr;
      check("cudaGraphAddKernelNode", with_node(launch, [&](const cudaKernelNodeParams& parameters) {
              const bool first = graph->nodes.empty();
              return cudaGraphAddKernelNode(&node, graph->made, first ? nullptr : &graph->nodes.back(),
                                            first ? 0 : 1, &parameters);
            }));
      graph->nodes.push_back(node);
    }
    check("cudaGraphInstantiate", cudaGraphInstantiateWithFlags(&graph->ready, graph->made, 0));
    return graph.release();
  }
  void destroy_graph(Graph* graph) noexcept override { delete graph; }
  void change(Graph* graph, size_t place, const KernelLaunch& launch) override {
    check("cudaGraphExecKernelNodeSetParams", with_node(launch, [&](const cudaKernelNodeParams& parameters) {
            return cudaGraphExecKernelNodeSetParams(graph->ready, graph->nodes[place], &parameters);
          }));
  }
  void launch(Graph* graph, Stream stream) override {
    check("cudaGraphLaunch", cudaGraphLaunch(graph->ready, stream));
  }

 private:
  void find_devices() {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) {
      cudaGetLastError();
      availability_.reason = in_words("cudaGetDeviceCount", status);
      return;
    }
    for (int ordinal = 0; ordinal < count; ++ordinal) add_device(ordinal);
    if (count == 0) availability_.reason = "The NVIDIA driver finds no GPU";
  }

  // Skips devices that no kernel runs on.
  void add_device(int ordinal) {
    cudaDeviceProp properties;
    const cudaError_t status = cudaGetDeviceProperties(&properties, ordinal);
    if (status != cudaSuccess) {
      cudaGetLastError();
      availability_.reason = in_words("cudaGetDeviceProperties", status);
    } else if (properties.major < least_major) {
      availability_.reason = std::string(properties.name) + " has compute capability " +
                             std::to_string(properties.major) + "." + std::to_string(properties.minor) +
                             ", and heed needs 8.0 or later";
    } else if (cuda::add_device(
                   availability_,
                   {properties.name, properties.major, properties.minor, properties.totalGlobalMem,
                    properties.multiProcessorCount, properties.sharedMemPerMultiprocessor},
                   built_)) {
      ordinals_.push_back(ordinal);
    }
  }

  Built built_ = {0, 0, HEED_CUDA_ARCHITECTURES};
  Availability availability_;
  std::vector<int> ordinals_;
};

}  // namespace

Driver& driver() {
  // Never destroyed: process.exit() destroys static objects while threads may still compute.
  static Driver& only = *new CudaDriver;
  return only;
}

}  // namespace heed::cuda
