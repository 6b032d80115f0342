#include "cuda/mask_tiles.h"

#include <algorithm>

#include "cuda/device/launch.cuh"
#include "cuda/kernels/mask_tiles.cuh"

namespace heed::cuda {

namespace {

int64_t pieces(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

MaskTilesParameters parameters_of(const AttentionProblem& problem, int32_t rows, int32_t keys) {
  const MaskView& mask = problem.scoring.mask;
  MaskTilesParameters p{};
  p.mask = mask;
  for (const Sequence& sequence : problem.sequences) {
    p.query_steps = std::max(p.query_steps, sequence.query_steps);
    p.key_steps = std::max(p.key_steps, sequence.key_steps);
  }
  p.batch = mask.batch_stride == 0 ? 1 : static_cast<int64_t>(problem.sequences.size());
  p.heads = mask.head_stride == 0 ? 1 : problem.query_heads;
  // A row stands for all where they are the same.
  p.rows = mask.query_stride == 0 ? 1 : rows;
  p.row_tiles = mask.query_stride == 0 ? 1 : pieces(p.query_steps, rows);
  p.keys = keys;
  p.key_tiles = pieces(p.key_steps, keys);
  const auto elements = static_cast<int64_t>(16 / size_of(mask.type));
  p.aligned = mask.key_stride == 1 && reinterpret_cast<uintptr_t>(mask.data) % 16 == 0 &&
              (mask.batch_stride | mask.head_stride | mask.query_stride | keys) % elements == 0;
  return p;
}

}  // namespace

MaskTiles mask_tiles(const AttentionProblem& problem, int32_t rows, int32_t keys, Workspace& workspace) {
  MaskTilesParameters p = parameters_of(problem, rows, keys);
  const int64_t tiles = p.batch * p.heads * p.row_tiles * p.key_tiles;
  if (tiles == 0) return {};
  if (p.batch > 1) p.sequences = workspace.upload(problem.sequences);
  p.tiles = workspace.allocate_array<MaskTile>(static_cast<size_t>(tiles));
  const LaunchShape shape{pieces(tiles, mask_tiles_per_block), mask_tiles_threads, 0};
  const auto start = [&](auto kernel) { launch(kernel, shape, workspace.stream(), p); };
  switch (problem.scoring.mask.type) {
    case DType::float32:
      start(&mask_tiles_kernel<float>);
      break;
    case DType::float16:
      start(&mask_tiles_kernel<Float16>);
      break;
    case DType::bfloat16:
      start(&mask_tiles_kernel<BFloat16>);
      break;
    default:
      start(&mask_tiles_kernel<uint8_t>);
  }
  return {p.tiles, p.batch > 1 ? p.heads * p.row_tiles * p.key_tiles : 0,
          p.heads > 1 ? p.row_tiles * p.key_tiles : 0, p.row_tiles > 1 ? p.key_tiles : 0};
}

}  // namespace heed::cuda
