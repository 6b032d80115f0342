// heed's launchers for Python's ctypes, on the caller's stream and memory, with helpers for measuring them.
// Functions return 0, or 1 (null if they return a pointer) on failure; heed_error then gives the reason.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdio>
#include <functional>
#include <memory>

#include "cuda/launchers.h"
#include "matrix_loop.h"
#include "problems.h"
#include "replayed_workspace.h"

#define HEED_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using namespace heed;
using bench::check;

thread_local std::string last_error;

template <class F>
int guarded(F f) {
  try {
    f();
    return 0;
  } catch (const std::exception& error) {
    last_error = error.what();
    return 1;
  }
}

struct Operation {
  bench::ReplayedWorkspace workspace;
  std::function<void(cuda::Workspace&)> run;
};

Operation* prepare(cudaStream_t stream, const std::function<std::function<void(cuda::Workspace&)>()>& make) {
  std::unique_ptr<Operation> operation;
  const int failed = guarded([&] {
    operation.reset(new Operation{bench::ReplayedWorkspace(stream), make()});
  });
  return failed != 0 ? nullptr : operation.release();
}

__device__ uint64_t mixed(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

__device__ void store(float* to, float value) {
  *to = value;
}
__device__ void store(__half* to, float value) {
  *to = __float2half_rn(value);
}
__device__ void store(__nv_bfloat16* to, float value) {
  *to = __float2bfloat16_rn(value);
}

template <class T>
__global__ void fill_normal(T* data, int64_t count, uint64_t seed) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < count;
       i += int64_t{gridDim.x} * blockDim.x) {
    const uint64_t bits = mixed(seed ^ mixed(static_cast<uint64_t>(i)));
    const float first = (static_cast<float>(bits >> 40) + 1) * 0x1p-24F,
                second = static_cast<float>(bits & 0xffffff) * 0x1p-24F;
    store(data + i, sqrtf(-2 * logf(first)) * cosf(6.2831853F * second));
  }
}

__global__ void wait(uint64_t nanoseconds) {
  uint64_t begin = 0, now = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
  do {
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  } while (now - begin < nanoseconds);
}

}  // namespace

HEED_EXPORT const char* heed_error() {
  return last_error.c_str();
}

// Lets Python compare its struct layouts with these.
HEED_EXPORT int64_t heed_struct_bytes(int32_t which) {
  const int64_t bytes[] = {sizeof(HeedAttention), sizeof(HeedProjection), sizeof(HeedAppend),
                           sizeof(HeedMatrixLoop), sizeof(HeedDevice)};
  return bytes[which];
}

HEED_EXPORT int heed_device(HeedDevice* found) {
  return guarded([&] {
    cudaDeviceProp properties{};
    int device = 0;
    check(cudaGetDevice(&device), "cudaGetDevice");
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    std::snprintf(found->name, sizeof found->name, "%s", properties.name);
    found->memory = static_cast<int64_t>(properties.totalGlobalMem);
    found->l2_bytes = properties.l2CacheSize;
    found->multiprocessors = properties.multiProcessorCount;
    found->major = properties.major;
    found->minor = properties.minor;
    check(cudaRuntimeGetVersion(&found->runtime), "cudaRuntimeGetVersion");
    check(cudaDriverGetVersion(&found->driver), "cudaDriverGetVersion");
  });
}

HEED_EXPORT void* heed_attention_forward(const HeedAttention* asked, cudaStream_t stream) {
  return prepare(stream, [=] {
    return [problem = bench::problem_of(*asked)](cuda::Workspace& workspace) {
      cuda::attention_forward(problem, workspace);
    };
  });
}

HEED_EXPORT void* heed_attention_decode(const HeedAttention* asked, cudaStream_t stream) {
  return prepare(stream, [=] {
    return [problem = bench::problem_of(*asked)](cuda::Workspace& workspace) {
      cuda::attention_decode(problem, workspace);
    };
  });
}

HEED_EXPORT void* heed_projection(const HeedProjection* asked, cudaStream_t stream) {
  return prepare(stream, [=] {
    return [problem = bench::problem_of(*asked)](cuda::Workspace& workspace) {
      cuda::projection(problem, workspace);
    };
  });
}

HEED_EXPORT void* heed_append(const HeedAppend* asked, cudaStream_t stream) {
  return prepare(stream, [=] {
    return [problem = bench::problem_of(*asked)](cuda::Workspace& workspace) {
      cuda::append(problem, workspace);
    };
  });
}

HEED_EXPORT void* heed_matrix_loop(const HeedMatrixLoop* asked, cudaStream_t stream) {
  return prepare(stream, [=] {
    return [problem = *asked, stream](cuda::Workspace&) { bench::matrix_loop(problem, stream); };
  });
}

// Measures memory bandwidth: reads and writes `bytes` bytes.
HEED_EXPORT void* heed_copy(void* to, const void* from, int64_t bytes, cudaStream_t stream) {
  return prepare(stream, [=] {
    return [=](cuda::Workspace&) {
      check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, stream),
            "cudaMemcpyAsync");
    };
  });
}

// Enqueues the operation.
HEED_EXPORT int heed_run(void* operation) {
  auto* prepared = static_cast<Operation*>(operation);
  return guarded([&] {
    prepared->workspace.rewind();
    prepared->run(prepared->workspace);
  });
}

HEED_EXPORT void heed_drop(void* operation) {
  delete static_cast<Operation*>(operation);
}

HEED_EXPORT void* heed_allocate(int64_t bytes) {
  void* data = nullptr;
  guarded([&] { check(cudaMalloc(&data, static_cast<size_t>(bytes)), "cudaMalloc"); });
  return data;
}

HEED_EXPORT int heed_free(void* data) {
  return guarded([&] { check(cudaFree(data), "cudaFree"); });
}

HEED_EXPORT int heed_fill_normal(void* data, int32_t type, int64_t count, uint64_t seed,
                                 cudaStream_t stream) {
  return guarded([&] {
    constexpr unsigned blocks = 1024, threads = 256;
    switch (static_cast<DType>(type)) {
      case DType::float16:
        fill_normal<<<blocks, threads, 0, stream>>>(static_cast<__half*>(data), count, seed);
        break;
      case DType::bfloat16:
        fill_normal<<<blocks, threads, 0, stream>>>(static_cast<__nv_bfloat16*>(data), count, seed);
        break;
      default:
        fill_normal<<<blocks, threads, 0, stream>>>(static_cast<float*>(data), count, seed);
    }
    check(cudaGetLastError(), "fill_normal");
  });
}

// Keeps the stream busy so that the host can enqueue the measured work before it begins: then no time between
// two events is spent waiting for the host.
HEED_EXPORT int heed_occupy(int64_t nanoseconds, cudaStream_t stream) {
  return guarded([&] {
    wait<<<1, 1, 0, stream>>>(static_cast<uint64_t>(nanoseconds));
    check(cudaGetLastError(), "wait");
  });
}

HEED_EXPORT void* heed_event() {
  cudaEvent_t event = nullptr;
  guarded([&] { check(cudaEventCreate(&event), "cudaEventCreate"); });
  return event;
}

HEED_EXPORT int heed_record(void* event, cudaStream_t stream) {
  return guarded([&] { check(cudaEventRecord(static_cast<cudaEvent_t>(event), stream), "cudaEventRecord"); });
}

HEED_EXPORT int heed_elapsed(void* begin, void* end, float* milliseconds) {
  return guarded([&] {
    check(cudaEventElapsedTime(milliseconds, static_cast<cudaEvent_t>(begin), static_cast<cudaEvent_t>(end)),
          "cudaEventElapsedTime");
  });
}

HEED_EXPORT int heed_synchronize(cudaStream_t stream) {
  return guarded([&] { check(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); });
}
