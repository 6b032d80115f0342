// Starts a kernel: the only code that knows how, on a GPU and in the emulator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda/device/target.cuh"
#include "cuda/kernel_launch.h"
#include "cuda/workspace.h"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#else
#include "cuda/device/shared_memory_limits.h"
#endif

namespace heed::cuda {

#if !HEED_EMULATED
inline void check_launch(cudaError_t status) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears the error, so that the next call does not report it
  throw LaunchError(std::string("Launching a kernel failed: ") + cudaGetErrorName(status) + ", " +
                    cudaGetErrorString(status));
}

// Sets the attribute of the kernel once for each device, as far as the sizes of its tiles allow.
inline void allow_shared_bytes(const void* kernel, size_t bytes) {
  static SharedMemoryLimits& limits = *new SharedMemoryLimits;  // used until the process ends
  int device = 0;
  check_launch(cudaGetDevice(&device));
  limits.ensure(kernel, device, bytes, [=] {
    check_launch(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
  });
}
#endif

inline void expect_launchable(const LaunchShape& shape) {
  if (shape.blocks >= 1 && shape.blocks <= INT32_MAX) return;
  throw LaunchError("Expected 1 to 2147483647 blocks, received " + std::to_string(shape.blocks));
}

// Runs kernel(arguments …) in the order of the stream. Throws LaunchError if it cannot start.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, Stream stream,
            Arguments&&... arguments) {
  expect_launchable(shape);
#if HEED_EMULATED
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> parameters;
  };
  const Call call{kernel, std::tuple<Parameters...>(std::forward<Arguments>(arguments)...)};
  static_assert(sizeof(call.parameters) <= 4096, "a kernel takes at most 4 KiB of parameters");
  emulator::launch(stream, reinterpret_cast<const void*>(kernel),
                   {static_cast<uint32_t>(shape.blocks), shape.threads, shape.shared_bytes}, &call,
                   sizeof call, [](const void* pointer) {
                     const Call& made = *static_cast<const Call*>(pointer);
                     std::apply(made.kernel, made.parameters);
                   });
#else
  if (shape.shared_bytes > 48 * 1024)
    allow_shared_bytes(reinterpret_cast<const void*>(kernel), shape.shared_bytes);
  kernel<<<static_cast<unsigned>(shape.blocks), shape.threads, shape.shared_bytes, stream>>>(
      std::forward<Arguments>(arguments)...);
  check_launch(cudaGetLastError());
#endif
}

// Runs kernel(parameters) as a part of the workspace's operation, after all that was launched in it before.
template <class Parameters>
void launch(void (*kernel)(Parameters), const LaunchShape& shape, Workspace& workspace,
            const std::type_identity_t<Parameters>& parameters) {
  static_assert(std::is_trivially_copyable_v<Parameters>);
  static_assert(alignof(Parameters) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  static_assert(sizeof(Parameters) <= 4096, "a kernel takes at most 4 KiB of parameters");
  expect_launchable(shape);
#if !HEED_EMULATED
  if (shape.shared_bytes > 48 * 1024)
    allow_shared_bytes(reinterpret_cast<const void*>(kernel), shape.shared_bytes);
#endif
  KernelLaunch call{reinterpret_cast<const void*>(kernel), shape, std::vector<std::byte>(sizeof(Parameters)),
                    [](const KernelLaunch& made, Stream stream) {
                      launch(reinterpret_cast<void (*)(Parameters)>(const_cast<void*>(made.kernel)),
                             made.shape, stream,
                             *reinterpret_cast<const Parameters*>(made.parameters.data()));
                    }};
  std::memcpy(call.parameters.data(), &parameters, sizeof(Parameters));
  workspace.launch(std::move(call));
}

}  // namespace heed::cuda
