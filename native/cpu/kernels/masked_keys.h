// Finds the keys of a tile that a bool mask keeps before anything is computed: document, prefix and block
// masks exclude most keys.
#pragma once

#include "cpu/kernels/score_tile.h"

namespace heed::cpu::HEED_ISA {

// Bytes of the mask, one for each of some consecutive keys of a row.
constexpr int64_t mask_chunk = 16;
typedef uint8_t MaskBytes __attribute__((vector_size(mask_chunk)));

static inline MaskBytes mask_bytes(const uint8_t* row, int64_t keys, int64_t stride) {
  MaskBytes bytes{};
  if (stride == 1 && keys == mask_chunk) {
    __builtin_memcpy(&bytes, row, sizeof bytes);
  } else {
    for (int64_t i = 0; i < keys; ++i) bytes[i] = row[i * stride];
  }
  return bytes;
}

static inline bool any_byte(MaskBytes bytes) {
  uint64_t halves[2];
  __builtin_memcpy(halves, &bytes, sizeof bytes);
  return (halves[0] | halves[1]) != 0;
}

// Narrows `keys`, the keys of the tile that rows of a vector attend, to the keys that a bool mask keeps, in
// steps of a chunk. Returns whether every row keeps all of them.
static inline bool narrow_by_mask(const RowGroup& group, const MaskView& mask, int64_t vector,
                                  KeyRange& keys) {
  const int64_t begin = vector * lanes, end = begin + lanes < group.rows ? begin + lanes : group.rows;
  KeyRange left{INT64_MAX, 0};
  bool all = true;
  for (int64_t key = keys.first; key < keys.last; key += mask_chunk) {
    const int64_t count = keys.last - key < mask_chunk ? keys.last - key : mask_chunk;
    MaskBytes any{}, zeros{};
    const void* previous = nullptr;
    for (int64_t r = begin; r < end; ++r) {
      if (group.mask_row[r] == previous) continue;  // heads that share a mask row
      previous = group.mask_row[r];
      const MaskBytes bytes =
          mask_bytes(static_cast<const uint8_t*>(previous) + key * mask.key_stride, count, mask.key_stride);
      any |= bytes;
      zeros |= static_cast<MaskBytes>(bytes == 0);
    }
    for (int64_t i = count; i < mask_chunk; ++i) zeros[i] = 0;
    if (any_byte(any)) include(left, {key, key + count});
    all &= !any_byte(zeros);
  }
  keys = left;
  return all;
}

struct TileKeys {
  KeyRange any;                       // that some row attends
  KeyRange of_vectors[tile_vectors];  // that some row of each vector attends
  bool masked;                        // whether the mask must be applied
};

static inline TileKeys keys_of_tile(const RowGroup& group, const AttentionParameters& p, KeyRange tile) {
  TileKeys keys;
  keys.any = {INT64_MAX, 0};
  keys.masked = p.scoring.mask.data && p.scoring.mask.type != DType::boolean;
  for (int64_t v = 0; v < group.vectors; ++v) {
    KeyRange& mine = keys.of_vectors[v];
    mine = group.vector_keys[v];
    if (mine.first < tile.first) mine.first = tile.first;
    if (mine.last > tile.last) mine.last = tile.last;
    if (p.scoring.mask.data && p.scoring.mask.type == DType::boolean)
      keys.masked |= !narrow_by_mask(group, p.scoring.mask, v, mine);
    include(keys.any, mine);
  }
  return keys;
}

// Rows of the mask are far apart, so the hardware prefetcher does not detect the pattern.
static inline void prefetch_mask(const ScoreTile& tile) {
  const MaskView& mask = tile.parameters->scoring.mask;
  if (mask.key_stride != 1) return;
  const int64_t size = static_cast<int64_t>(size_of(mask.type));
  for (int64_t r = 0; r < tile.group->rows; ++r) {
    const char* row = static_cast<const char*>(tile.group->mask_row[r]);
    for (int64_t at = tile.first_key * size; at < tile.last_key * size; at += 64)
      __builtin_prefetch(row + at, 0, 2);
  }
}

}  // namespace heed::cpu::HEED_ISA
