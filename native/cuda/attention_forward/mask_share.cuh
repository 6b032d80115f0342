// A lane's share of a row of a numeric mask whose keys are neighbours, in vectors of `size`, so that the
// lanes of a row read whole sectors together.
#pragma once

#include <cstdint>

#include "cuda/common/fragments.cuh"
#include "cuda/common/operand_tile.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

namespace thread {

// Loads neighbours from `from + column` on. `count` elements from `from` on exist; the others are zeros.
template <int size, class Element>
__device__ __forceinline__ Vector<Element, size> load_neighbours(const Element* from, int32_t column,
                                                                 int32_t count, bool aligned) {
  const int32_t left = count - column;
  if (aligned && left >= size) return load_global<size>(from + column);
  return load_some<size>(from + column, left > 0 ? static_cast<uint32_t>(left) : 0);
}

}  // namespace thread

template <class Scores, class Element>
struct MaskShare;

// Lanes of a row have pairs of neighbours, eight columns apart. Elements of 16 bits are read in fours, over
// 16 columns: lanes l and l + 1 of each pair hold chunks of which each lane needs one half, and exchange the
// other halves.
template <int row_tiles, int columns, class Element>
struct MaskShare<MatrixFragment<row_tiles, columns>, Element> {
  static constexpr bool fours = sizeof(Element) == 2 && columns % 16 == 0;
  static constexpr int size = fours ? 4 : 2;

  // Loads elements j … j + size − 1 of a lane's row.
  static __device__ __forceinline__ Vector<Element, size> read(const Element* row, int j, int32_t count,
                                                               bool aligned) {
    const auto lane = static_cast<int32_t>(thread::lane()) % 4;
    const int32_t column = j / 2 * 8 + (fours ? (lane % 2 * 2 + lane / 2) * 4 : lane * 2);
    auto own = thread::load_neighbours<size>(row, column, count, aligned);
    if constexpr (fours) {
      const bool odd = lane % 2 == 1;
      const uint32_t low = pair(own[0], own[1]), high = pair(own[2], own[3]);
      const uint32_t other = warp::shuffle_xor(odd ? low : high, 1);
      set(own[0], own[1], odd ? other : low);
      set(own[2], own[3], odd ? high : other);
    }
    return own;
  }

 private:
  static __device__ __forceinline__ uint32_t pair(Element a, Element b) {
    return a.bits | static_cast<uint32_t>(b.bits) << 16;
  }
  static __device__ __forceinline__ void set(Element& a, Element& b, uint32_t pair) {
    a.bits = static_cast<uint16_t>(pair);
    b.bits = static_cast<uint16_t>(pair >> 16);
  }
};

// Each lane of a row has `vector` neighbours.
template <int rows, int columns, int vector, class Element>
struct MaskShare<LaneFragment<rows, columns, vector>, Element> {
  static constexpr int size = vector;
  static __device__ __forceinline__ Vector<Element, size> read(const Element* row, int j, int32_t count,
                                                               bool aligned) {
    return thread::load_neighbours<size>(row, LaneFragment<rows, columns, vector>::column(j), count, aligned);
  }
};

}  // namespace heed::cuda
