// What a mask leaves of the tiles of attention_forward.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

struct MaskTiles;

// Launches what finds it out, for tiles of `rows` × `keys`.
MaskTiles mask_tiles(const AttentionProblem& problem, int32_t rows, int32_t keys, Workspace& workspace);

}  // namespace heed::cuda
