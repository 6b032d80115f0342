#include "cuda/attention_forward/mask_tiles.h"

#include <algorithm>
#include <vector>

#include "core/view.h"
#include "cuda/common/entry_at.cuh"
#include "cuda/common/mask_element.cuh"
#include "cuda/common/operand_tile.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

struct MaskTilesParameters {
  MaskView mask;
  Entries<Sequence> sequences;     // none if the mask broadcasts over the batch
  int64_t query_steps, key_steps;  // used in that case
  int64_t batch, heads;            // 1 if the mask broadcasts along this axis
  int64_t row_tiles, key_tiles;    // of the longest sequence
  int32_t rows, keys;              // of a tile
  bool aligned;                    // keys are neighbours, and tiles begin at multiples of 16 bytes
  MaskTile* tiles;                 // [batch, heads, row_tiles, key_tiles]
};

constexpr int64_t mask_tiles_per_block = mask_tiles_threads / 32;

namespace {

template <class Element>
struct MaskChunk {
  static constexpr int elements = 16 / static_cast<int>(sizeof(Element));
  bool left = false, changed = false;

  __device__ __forceinline__ void look_at(float bias) {
    left |= bias != negative_infinity;
    changed |= bias != 0;  // also for −∞ and NaN
  }
  // Reads the elements of a chunk that exist.
  __device__ __forceinline__ void read_mask(const Element* from, int64_t stride, int64_t count,
                                            bool aligned) {
    if (aligned && count >= elements) {
      const auto chunk = thread::load_global<elements>(from);
#pragma unroll
      for (int e = 0; e < elements; ++e) look_at(mask_value(chunk[e]));
      return;
    }
    for (int64_t e = 0; e < elements && e < count; ++e) look_at(mask_value(from[e * stride]));
  }
};

}  // namespace

// One warp per tile.
template <class Element>
__global__ void __launch_bounds__(mask_tiles_threads)
    mask_tiles_kernel(const __grid_constant__ MaskTilesParameters p) {
  using Chunk = MaskChunk<Element>;
  const int64_t index = int64_t{block::index()} * mask_tiles_per_block + warp::index();
  if (index >= p.batch * p.heads * p.row_tiles * p.key_tiles) return;
  const int64_t key_tile = index % p.key_tiles, row_tile = index / p.key_tiles % p.row_tiles;
  const int64_t head = index / p.key_tiles / p.row_tiles % p.heads,
                batch = index / p.key_tiles / p.row_tiles / p.heads;
  const bool broadcasts = p.sequences.count == 0;
  const int64_t query_steps = broadcasts ? p.query_steps : p.sequences[batch].query_steps,
                key_steps = broadcasts ? p.key_steps : p.sequences[batch].key_steps;
  const int64_t first_row = row_tile * p.rows, first_key = key_tile * p.keys;
  const int64_t rows = query_steps - first_row < p.rows ? query_steps - first_row : p.rows,
                keys = key_steps - first_key < p.keys ? key_steps - first_key : p.keys;
  const Element* mask = static_cast<const Element*>(p.mask.data) + batch * p.mask.batch_stride +
                        head * p.mask.head_stride + first_row * p.mask.query_stride +
                        first_key * p.mask.key_stride;
  const int32_t chunks = (p.keys + Chunk::elements - 1) / Chunk::elements;
  Chunk chunk;
  for (int64_t i = thread::lane(); i < rows * chunks; i += warp::size) {
    const int64_t key = i % chunks * Chunk::elements;
    chunk.read_mask(mask + i / chunks * p.mask.query_stride + key * p.mask.key_stride, p.mask.key_stride,
                    keys - key, p.aligned);
  }
  const bool left = warp::any(chunk.left), changed = warp::any(chunk.changed);
  if (thread::lane() == 0)
    p.tiles[index] = !left ? MaskTile::nothing : changed ? MaskTile::some : MaskTile::everything;
}

namespace {

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
  // One row represents all if they are equal.
  p.rows = mask.query_stride == 0 ? 1 : rows;
  p.row_tiles = mask.query_stride == 0 ? 1 : tiles_of(p.query_steps, rows);
  p.keys = keys;
  p.key_tiles = tiles_of(p.key_steps, keys);
  const auto elements = static_cast<int64_t>(16 / size_of(mask.type));
  p.aligned = mask.key_stride == 1 && reinterpret_cast<uintptr_t>(mask.data) % 16 == 0 &&
              (mask.batch_stride | mask.head_stride | mask.query_stride | keys) % elements == 0;
  return p;
}

}  // namespace

MaskTiles mask_tiles(const AttentionProblem& problem, int32_t rows, int32_t keys, Workspace& workspace) {
  MaskTilesParameters p = parameters_of(problem, rows, keys);
  if (problem.scoring.mask.data == nullptr) {
    const std::vector<MaskTile> of_all_rows(static_cast<size_t>(p.key_tiles), MaskTile::everything);
    return {workspace.upload(of_all_rows), 0, 0, 0};
  }
  const int64_t tiles = p.batch * p.heads * p.row_tiles * p.key_tiles;
  if (tiles == 0) return {};
  if (p.batch > 1) p.sequences = entries_of(problem.sequences, workspace);
  p.tiles = workspace.allocate_array<MaskTile>(static_cast<size_t>(tiles));
  const LaunchShape shape{tiles_of(tiles, mask_tiles_per_block), mask_tiles_threads, 0};
  const auto start = [&](auto kernel) { launch(kernel, shape, workspace, p); };
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
