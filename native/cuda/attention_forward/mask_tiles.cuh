// What a mask leaves of each tile of scores, found out before attention_forward begins: tiles of which
// nothing is left are then never read, and where all is left the mask is not looked at again. Masks of
// documents, prefixes and blocks are such.
#pragma once

#include <cstdint>

#include "core/view.h"
#include "cuda/common/mask_element.cuh"
#include "cuda/common/operand_tile.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

enum class MaskTile : uint8_t {
  nothing,     // no row may attend a key
  everything,  // every row may attend every key, and nothing is added to a score
  some
};

// One for each tile; a stride is 0 along every axis that the mask broadcasts.
struct MaskTiles {
  const MaskTile* data = nullptr;  // null: there is no mask
  int64_t batch_stride = 0, head_stride = 0, row_stride = 0;
};

struct MaskTilesParameters {
  MaskView mask;
  const Sequence* sequences;       // on the device; null where the mask broadcasts over the batch
  int64_t query_steps, key_steps;  // that it has then
  int64_t batch, heads;            // 1 where it broadcasts
  int64_t row_tiles, key_tiles;    // of the longest sequence
  int32_t rows, keys;              // of a tile
  bool aligned;                    // keys are neighbours, and chunks of 16 bytes begin where tiles do
  MaskTile* tiles;                 // [batch, heads, row_tiles, key_tiles]
};

constexpr uint32_t mask_tiles_threads = 128;
constexpr int64_t mask_tiles_per_block = mask_tiles_threads / 32;

namespace detail {

template <class Element>
struct MaskChunk {
  static constexpr int elements = 16 / static_cast<int>(sizeof(Element));
  bool left = false, changed = false;

  __device__ __forceinline__ void look_at(float bias) {
    left |= bias != negative_infinity;
    changed |= bias != 0;  // −∞ and NaN, too
  }
  // The elements of a chunk that exist.
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

}  // namespace detail

// A warp a tile.
template <class Element>
__global__ void __launch_bounds__(mask_tiles_threads)
    mask_tiles_kernel(const __grid_constant__ MaskTilesParameters p) {
  using Chunk = detail::MaskChunk<Element>;
  const int64_t index = int64_t{block::index()} * mask_tiles_per_block + warp::index();
  if (index >= p.batch * p.heads * p.row_tiles * p.key_tiles) return;
  const int64_t key_tile = index % p.key_tiles, row_tile = index / p.key_tiles % p.row_tiles;
  const int64_t head = index / p.key_tiles / p.row_tiles % p.heads,
                batch = index / p.key_tiles / p.row_tiles / p.heads;
  const int64_t query_steps = p.sequences == nullptr ? p.query_steps : p.sequences[batch].query_steps,
                key_steps = p.sequences == nullptr ? p.key_steps : p.sequences[batch].key_steps;
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

}  // namespace heed::cuda
