// Matrices of float32 sums that are distributed over the lanes of a warp. Each lane holds some columns of
// some rows: at(i, j) is the j-th element of its i-th row, which is row(i), column(j) of the warp's matrix.
#pragma once

#include "cuda/device/thread.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

// The layout of matrix instructions: 16 · row_tiles rows, with four lanes to a row.
template <int row_tiles_, int columns_>
struct MatrixFragment {
  static constexpr int row_tiles = row_tiles_;
  static constexpr int column_tiles = columns_ / 8;
  static constexpr int rows = 2 * row_tiles;         // of a lane
  static constexpr int elements = 2 * column_tiles;  // of a row of a lane
  static constexpr int warp_rows = 16 * row_tiles;
  static constexpr int columns = columns_;

  float sums[row_tiles][column_tiles][4];

  __device__ __forceinline__ float& at(int i, int j) { return sums[i / 2][j / 2][i % 2 * 2 + j % 2]; }
  static __device__ __forceinline__ int row(int i) { return static_cast<int>(thread::lane()) / 4 + 8 * i; }
  static __device__ __forceinline__ int column(int j) {
    return static_cast<int>(thread::lane()) % 4 * 2 + j / 2 * 8 + j % 2;
  }
  // The lane that holds a column of the same rows, and its element there.
  static __device__ __forceinline__ int lane_of(int column) {
    return static_cast<int>(thread::lane()) / 4 * 4 + column % 8 / 2;
  }
  static __device__ __forceinline__ int element_of(int column) { return column / 8 * 2 + column % 2; }
  // Reduces over the lanes of a row.
  template <class F>
  static __device__ __forceinline__ float reduce(float x, F f) {
    x = f(x, warp::shuffle_xor(x, 1));
    return f(x, warp::shuffle_xor(x, 2));
  }
  static __device__ __forceinline__ bool leads_row() { return thread::lane() % 4 == 0; }
};

// For products without matrix instructions: 8 · rows rows, with lanes l, l + 8, l + 16 and l + 24 to a row,
// each of which takes `vector` neighbouring columns in turn.
template <int rows_, int columns_, int vector>
struct LaneFragment {
  static constexpr int rows = rows_;
  static constexpr int elements = columns_ / 4;
  static constexpr int warp_rows = 8 * rows;
  static constexpr int columns = columns_;

  float sums[rows][elements];

  __device__ __forceinline__ float& at(int i, int j) { return sums[i][j]; }
  static __device__ __forceinline__ int row(int i) { return static_cast<int>(thread::lane()) % 8 + 8 * i; }
  static __device__ __forceinline__ int column(int j) {
    return (j / vector * 4 + static_cast<int>(thread::lane()) / 8) * vector + j % vector;
  }
  static __device__ __forceinline__ int lane_of(int column) {
    return static_cast<int>(thread::lane()) % 8 + column / vector % 4 * 8;
  }
  static __device__ __forceinline__ int element_of(int column) {
    return column / (4 * vector) * vector + column % vector;
  }
  template <class F>
  static __device__ __forceinline__ float reduce(float x, F f) {
    x = f(x, warp::shuffle_xor(x, 8));
    return f(x, warp::shuffle_xor(x, 16));
  }
  static __device__ __forceinline__ bool leads_row() { return thread::lane() < 8; }
};

template <class Fragment>
__device__ __forceinline__ void clear(Fragment& fragment) {
#pragma unroll
  for (int i = 0; i < Fragment::rows; ++i) {
#pragma unroll
    for (int j = 0; j < Fragment::elements; ++j) fragment.at(i, j) = 0;
  }
}

}  // namespace heed::cuda
