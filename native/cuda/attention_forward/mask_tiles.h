// Classifies the tiles of a mask before attention_forward begins: fully excluded tiles are never read, and in
// unchanged tiles the mask is not read again. Document, prefix and block masks consist mostly of such tiles.
#pragma once

#include <cstdint>

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

enum class MaskTile : uint8_t {
  nothing,     // no row may attend a key
  everything,  // every row may attend every key, and nothing is added to a score
  some
};

// One class per tile; a stride is 0 along every axis that the mask broadcasts.
struct MaskTiles {
  const MaskTile* data = nullptr;
  int64_t batch_stride = 0, head_stride = 0, row_stride = 0;
};

// Launches the classification of tiles of `rows` × `keys`. Where there is no mask, all are `everything`.
MaskTiles mask_tiles(const AttentionProblem& problem, int32_t rows, int32_t keys, Workspace& workspace);

}  // namespace heed::cuda
