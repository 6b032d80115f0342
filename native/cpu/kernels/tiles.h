// Tile shapes. The comment of each constant names the limit that it respects; bench/NOTES.md has the
// measurements.
#pragma once

#include "cpu/kernels/width.h"

namespace heed::cpu::HEED_ISA {

// The register tile of `multiply`: tile_rows broadcasts times tile_vectors vectors. AVX2 and SSE have 16
// vector registers (6 × 2 accumulators, 2 vectors, 1 broadcast), AVX-512 and NEON have 32 (6 × 4, 4, 1).
constexpr int tile_rows = 6;
constexpr int tile_vectors = has_32_registers ? 4 : 2;

// Output columns of one panel of a packed weight: a tile is as wide.
constexpr int panel_columns = tile_vectors * lanes;

// Query rows of one forward task: a multiple of tile_vectors · lanes on every instruction set. Larger tiles
// read K and V less often; smaller ones give more tasks for the threads.
constexpr int row_block = 64;

// Keys of one step of the online softmax: a multiple of tile_rows. The score tile of one group (6 KB with
// SSE, 12 KB with AVX2 and NEON, 48 KB with AVX-512) stays in L1 or close to it.
constexpr int key_tile = lanes == 16 ? 96 : 192;

// Keys that the decode kernel scores before it processes their values: 32 KB of each at width 128.
constexpr int decode_tile = 64;

}  // namespace heed::cpu::HEED_ISA
