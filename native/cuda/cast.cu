#include "cuda/cast.h"

#include "cuda/common/element_type.h"
#include "cuda/device/launch.cuh"
#include "cuda/kernels/cast.cuh"

namespace heed::cuda {

namespace {

bool is_aligned(const void* pointer, DType type) {
  return reinterpret_cast<uintptr_t>(pointer) % (4 * size_of(type)) == 0;
}

}  // namespace

void cast(const CastProblem& problem, Workspace& workspace) {
  if (problem.count == 0) return;
  const LaunchShape shape{(problem.count + cast_elements_per_block - 1) / cast_elements_per_block,
                          cast_threads, 0};
  const bool aligned = is_aligned(problem.from, problem.from_type) && is_aligned(problem.to, problem.to_type);
  with_element_type(problem.from_type, [&](auto from_element) {
    with_element_type(problem.to_type, [&](auto to_element) {
      using From = typename decltype(from_element)::type;
      using To = typename decltype(to_element)::type;
      launch(aligned ? &cast_kernel<4, From, To> : &cast_kernel<1, From, To>, shape, workspace.stream(),
             static_cast<const From*>(problem.from), static_cast<To*>(problem.to), problem.count);
    });
  });
}

}  // namespace heed::cuda
