// Masks in attention_decode. The mask elements of a tile are copied to shared memory along with its keys, in
// whole sectors, once for all rows that share them; each lane then reads the elements of its scores.
#pragma once

#include <cstdint>

#include "cuda/attention_decode/parameters.cuh"
#include "cuda/common/mask_element.cuh"
#include "cuda/device/async_copy.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/vector.cuh"

namespace heed::cuda {

// The mask rows of the block's rows.
struct DecodeMaskRows {
  int64_t offset[decode_rows];  // in the mask
  int32_t row[decode_rows];     // of a tile: the first row with the same elements
};

// The mask elements of a tile in shared memory.
template <class Element, int keys>
struct DecodeMaskTile {
  static constexpr int size = static_cast<int>(sizeof(Element));
  // Eight rows from which lanes read two neighbours each lie in different banks.
  static constexpr int unit = 16 < 8 * size ? 8 * size : 16;
  static constexpr int stride = ((keys * size + unit - 1) / unit | 1) * unit / size;
  static constexpr int chunk = keys * size < 16 ? keys : 16 / size;  // elements per copy
  static constexpr int chunks = keys / chunk;                        // chunks per row
  static constexpr size_t bytes = static_cast<size_t>(decode_rows) * stride * size;
};

// The shared memory for a mask of a type: two stages, as for keys.
template <int keys>
constexpr size_t decode_mask_bytes(DType type) {
  return sizeof(DecodeMaskRows) + 2 * (type == DType::boolean   ? DecodeMaskTile<uint8_t, keys>::bytes
                                       : type == DType::float32 ? DecodeMaskTile<float, keys>::bytes
                                                                : DecodeMaskTile<Float16, keys>::bytes);
}

template <int keys, int threads>
class DecodeMask {
 public:
  // `memory` has the size that the mask requires.
  __device__ __forceinline__ DecodeMask(const DecodeParameters& p, const DecodeBlock& block, void* memory)
      : mask_(p.attention.scoring.mask),
        last_key_(block.last_key),
        aligned_(p.mask_aligned),
        rows_(static_cast<DecodeMaskRows*>(memory)) {
    if (!exists()) return;
    const auto row = static_cast<int32_t>(thread::index());
    if (row < decode_rows) {
      // Rows that do not exist use the mask row of an existing one, preferably among the eight that are read
      // with them.
      const bool exists = DecodeQuery(p, block, row).exists;
      const int32_t as = exists ? row : row / 8 * 8;
      const DecodeQuery query(p, block, as);
      // Heads of a step are consecutive rows.
      const int32_t of_head = query.head - block.key_head * (p.attention.query_heads / p.attention.key_heads);
      const int32_t first = mask_.head_stride != 0 ? as : mask_.query_stride != 0 ? as - of_head : 0;
      rows_->offset[row] = block.entry.batch * mask_.batch_stride + query.head * mask_.head_stride +
                           query.step * mask_.query_stride;
      rows_->row[row] = query.exists && first > 0 ? first : 0;
    }
    block::sync();
  }

  __device__ __forceinline__ bool exists() const { return mask_.data != nullptr; }

  // Fills stage `tile` % 2 with the elements of the keys from first_key on, if there are any.
  __device__ __forceinline__ void start(int tile, int32_t first_key) const {
    if (!exists() || first_key >= last_key_) return;
    with_mask_element(mask_.type, [&](auto element) {
      using Element = decltype(element);
      if (aligned_ && first_key % DecodeMaskTile<Element, keys>::chunk == 0) {
        copy_chunks<Element>(tile, first_key);
      } else {
        copy_elements<Element>(tile, first_key);
      }
    });
  }

  // `first_key` of the tile is the first key of the scores.
  template <class Scores>
  __device__ __forceinline__ void add(Scores& scores, int tile, int first_key) const {
    with_mask_element(mask_.type, [&](auto element) {
      using Element = decltype(element);
#pragma unroll
      for (int i = 0; i < Scores::rows; ++i) {
        const Element* row = row_of<Element>(tile, Scores::row(i)) + first_key;
#pragma unroll
        for (int j = 0; j < Scores::elements; j += 2) {
          const auto pair = thread::load_shared<2>(row + Scores::column(j));
          scores.at(i, j) = masked(scores.at(i, j), mask_value(pair[0]));
          scores.at(i, j + 1) = masked(scores.at(i, j + 1), mask_value(pair[1]));
        }
      }
    });
  }

  // Whether the mask lets a row of the block attend a key of the tile.
  __device__ __forceinline__ bool keeps(int tile, int row, int key) const {
    bool kept = true;
    with_mask_element(mask_.type, [&](auto element) {
      const auto* elements = row_of<decltype(element)>(tile, row) + key;
      kept = mask_value(thread::load_shared<1>(elements)[0]) != negative_infinity;
    });
    return kept;
  }

 private:
  template <class Element>
  __device__ __forceinline__ Element* stage(int tile) const {
    auto* stages = reinterpret_cast<Element*>(rows_ + 1);
    return stages + tile % 2 * (decode_rows * DecodeMaskTile<Element, keys>::stride);
  }
  template <class Element>
  __device__ __forceinline__ const Element* row_of(int tile, int row) const {
    return stage<Element>(tile) + rows_->row[row] * DecodeMaskTile<Element, keys>::stride;
  }

  template <class Element>
  __device__ __forceinline__ void copy_chunks(int tile, int32_t first_key) const {
    using Tile = DecodeMaskTile<Element, keys>;
    const auto* from = static_cast<const Element*>(mask_.data) + first_key;
#pragma unroll
    for (int i = static_cast<int>(thread::index()); i < decode_rows * Tile::chunks; i += threads) {
      // Neighbouring threads fill whole rows, or rows of which eight chunks lie in different banks.
      constexpr bool whole_rows = Tile::chunks >= 8;
      const int row = whole_rows ? i / Tile::chunks : i % decode_rows;
      const int key = (whole_rows ? i % Tile::chunks : i / decode_rows) * Tile::chunk;
      if (rows_->row[row] != row) continue;
      const int32_t left = last_key_ - first_key - key;
      const uint32_t valid = left <= 0 ? 0 : left < Tile::chunk ? left : Tile::chunk;
      thread::copy_async<Tile::chunk * Tile::size>(stage<Element>(tile) + row * Tile::stride + key,
                                                   from + (valid > 0 ? rows_->offset[row] + key : 0),
                                                   valid * Tile::size);
    }
  }

  template <class Element>
  __device__ __forceinline__ void copy_elements(int tile, int32_t first_key) const {
    using Tile = DecodeMaskTile<Element, keys>;
    const auto* from = static_cast<const Element*>(mask_.data) + first_key * mask_.key_stride;
#pragma unroll 4
    for (int i = static_cast<int>(thread::index()); i < decode_rows * keys; i += threads) {
      const int row = i / keys, key = i % keys;
      if (rows_->row[row] != row) continue;
      Vector<Element, 1> one{};
      if (key < last_key_ - first_key)
        one = thread::load_global<1>(from + rows_->offset[row] + key * mask_.key_stride);
      thread::store_shared(stage<Element>(tile) + row * Tile::stride + key, one);
    }
  }

  const MaskView& mask_;
  int32_t last_key_;
  bool aligned_;  // chunks of 16 bytes begin where key numbers are multiples of the chunk
  DecodeMaskRows* rows_;
};

}  // namespace heed::cuda
