#include "cuda/merge.h"

#include "cuda/common/element_type.h"
#include "cuda/device/launch.cuh"
#include "cuda/kernels/merge.cuh"

namespace heed::cuda {

void merge(const MergeProblem& problem, Workspace& workspace) {
  if (problem.rows == 0) return;
  const MergeParameters p{workspace.upload(problem.parts),
                          problem.output,
                          problem.log_sum_exp,
                          problem.rows,
                          problem.width,
                          static_cast<int32_t>(problem.parts.size())};
  const LaunchShape shape{(problem.rows + merge_rows_per_block - 1) / merge_rows_per_block, merge_threads, 0};
  with_element_type(problem.type, [&](auto element) {
    launch(&merge_kernel<typename decltype(element)::type>, shape, workspace.stream(), p);
  });
}

}  // namespace heed::cuda
