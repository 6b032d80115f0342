#include "cuda/launchers.h"

#include <algorithm>

#include "cuda/common/element_type.h"
#include "cuda/device/launch.cuh"
#include "cuda/projection/few_rows.cuh"
#include "cuda/projection/finish_heads.cuh"
#include "cuda/projection/kernel.cuh"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

void check(const ProjectionProblem& problem) {
  if (problem.packed != nullptr) throw Unsupported("weights that are packed for the CPU");
  if (problem.input_type != problem.weight_type)
    throw Unsupported("an input and a weight of different types");
  if (problem.inner > INT32_MAX) throw Unsupported("rows of 2^31 elements or more");
}

bool has_aligned_rows(const void* data, DType type, int64_t inner) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && inner * static_cast<int64_t>(size_of(type)) % 16 == 0;
}

// Parameters for some of the targets and their columns.
ProjectionParameters parameters_of(const ProjectionProblem& problem, const float* bias, size_t first_target) {
  ProjectionParameters p{
      .input = problem.input,
      .weight = problem.weight,
      .bias = bias,
      .rows = problem.rows,
      .steps = problem.steps,
      .inner = problem.inner,
      .first_column = problem.columns,
      .last_column = 0,
      .aligned = has_aligned_rows(problem.input, problem.input_type, problem.inner) &&
                 has_aligned_rows(problem.weight, problem.weight_type, problem.inner),
      .row_tiles = 0,
      .target_count = 0,
      .targets = {},
  };
  const size_t end = std::min(problem.targets.size(), first_target + most_projection_targets);
  for (size_t t = first_target; t < end; ++t) {
    const ProjectionTarget& target = problem.targets[t];
    p.targets[p.target_count++] = target;
    p.first_column = std::min(p.first_column, target.first_column);
    p.last_column = std::max(p.last_column, target.first_column + target.columns);
  }
  return p;
}

void launch_few_rows(const ProjectionParameters& p, DType type, Workspace& workspace) {
  const LaunchShape shape{tiles_of(p.last_column - p.first_column, few_rows_columns), few_rows_threads,
                          few_rows_shared_bytes};
  if (type == DType::float32) return launch(&projection_few_rows_float_kernel, shape, workspace, p);
  if (type == DType::float16) return launch(&projection_few_rows_kernel<Float16>, shape, workspace, p);
  launch(&projection_few_rows_kernel<BFloat16>, shape, workspace, p);
}

void launch_tiles(ProjectionParameters p, DType type, Workspace& workspace) {
  const int64_t row_tiles = tiles_of(p.rows, projection_tile);
  if (row_tiles > INT32_MAX) throw Unsupported("so many rows at once");
  p.row_tiles = static_cast<uint32_t>(row_tiles);
  const int64_t blocks = row_tiles * tiles_of(p.last_column - p.first_column, projection_tile);
  const auto shape = [blocks](uint32_t threads) {
    return LaunchShape{blocks, threads, ProjectionRing<float, projection_float_threads>::shared_bytes};
  };
  if (type == DType::float32)
    return launch(&projection_float_kernel, shape(projection_float_threads), workspace, p);
  if (type == DType::float16)
    return launch(&projection_kernel<Float16>, shape(projection_threads), workspace, p);
  launch(&projection_kernel<BFloat16>, shape(projection_threads), workspace, p);
}

// A separate pass, because a head may lie in several tiles of the product.
void launch_finish_heads(const ProjectionProblem& problem, const ProjectionTarget& target,
                         Workspace& workspace) {
  if (!target.whole_heads() || target.columns == 0) return;
  const int64_t width = target.whole_width();
  const FinishHeadsParameters p{target, problem.rows, problem.steps, target.columns / width, width};
  with_element_type(target.view.type, [&](auto element) {
    using T = typename decltype(element)::type;
    launch(&finish_heads_kernel<T>, {tiles_of(p.rows * p.groups, groups_per_block), finish_heads_threads, 0},
           workspace, p);
  });
}

}  // namespace

void projection(const ProjectionProblem& problem, Workspace& workspace) {
  if (problem.rows == 0) return;
  check(problem);
  const float* bias = workspace.upload_kept(problem.bias);
  for (size_t first = 0; first < problem.targets.size(); first += most_projection_targets) {
    const ProjectionParameters p = parameters_of(problem, bias, first);
    if (p.first_column >= p.last_column) continue;
    if (p.rows <= few_rows) {
      launch_few_rows(p, problem.input_type, workspace);
    } else {
      launch_tiles(p, problem.input_type, workspace);
    }
  }
  for (const ProjectionTarget& target : problem.targets) launch_finish_heads(problem, target, workspace);
}

}  // namespace heed::cuda
