// What a mask leaves of each tile of scores, found out before attention_forward begins: tiles of which
// nothing is left are then never read, and where all is left the mask is not looked at again. Masks of
// documents, prefixes and blocks are such.
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

// One for each tile; a stride is 0 along every axis that the mask broadcasts.
struct MaskTiles {
  const MaskTile* data = nullptr;  // null: there is no mask
  int64_t batch_stride = 0, head_stride = 0, row_stride = 0;
};

// Launches what finds it out, for tiles of `rows` × `keys`.
MaskTiles mask_tiles(const AttentionProblem& problem, int32_t rows, int32_t keys, Workspace& workspace);

}  // namespace heed::cuda
