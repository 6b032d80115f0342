// The two products of attention_decode: scores of a warp's keys, and outputs in a warp's columns. Elements of
// 16 bits use matrix instructions, float32 uses fused multiply-adds; both leave their sums in the layout of a
// matrix instruction.
#pragma once

#include <cstdint>

#include "cuda/attention_decode/tiles.cuh"
#include "cuda/common/fragments.cuh"
#include "cuda/device/matrix.cuh"

namespace heed::cuda {

template <class T, class Sizes>
struct DecodeProducts {
  using Tile = SharedTile<T, Sizes::width>;
  using Scores = MatrixFragment<1, Sizes::warp_keys>;
  using Outputs = MatrixFragment<1, Sizes::warp_columns>;

  // Q Kᵀ for the keys from `first_key` of the tile on.
  __device__ __forceinline__ static void score(Scores& scores, Tile queries, Tile keys, int first_key,
                                               int key_width) {
    const auto lane = static_cast<int>(thread::lane());
    for (int chunk = 0; chunk * Tile::per_chunk < key_width; chunk += 4) {  // 32 elements of the key width
      uint32_t a[2][4];
      warp::load_matrices(a[0], queries.chunk(lane % 16, chunk + lane / 16));
      warp::load_matrices(a[1], queries.chunk(lane % 16, chunk + 2 + lane / 16));
#pragma unroll
      for (int n = 0; n < Scores::column_tiles; ++n) {
        uint32_t both[4];
        warp::load_matrices(both, keys.chunk(first_key + n * 8 + lane % 8, chunk + lane / 8));
        const uint32_t b[2][2] = {{both[0], both[1]}, {both[2], both[3]}};
        warp::multiply_accumulate<T>(scores.sums[0][n], a[0], b[0]);
        warp::multiply_accumulate<T>(scores.sums[0][n], a[1], b[1]);
      }
    }
  }

  // P V for the columns from `first_column` on.
  __device__ __forceinline__ static void accumulate(Outputs& outputs, const T* weights, Tile values,
                                                    int first_column, int value_width) {
    const auto lane = static_cast<int>(thread::lane());
#pragma unroll
    for (int key = 0; key < Sizes::keys; key += 16) {
      uint32_t a[4];
      warp::load_matrices(a, weights + lane % 16 * Sizes::weight_stride + key + lane / 16 * 8);
#pragma unroll
      for (int n = 0; n < Outputs::column_tiles; n += 2) {
        const int column = first_column + n * 8;
        if (column >= value_width) continue;
        uint32_t both[4];
        warp::load_matrices_transposed(both, values.chunk(key + lane % 16, column / 8 + lane / 16));
        const uint32_t b[2][2] = {{both[0], both[1]}, {both[2], both[3]}};
        warp::multiply_accumulate<T>(outputs.sums[0][n], a, b[0]);
        warp::multiply_accumulate<T>(outputs.sums[0][n + 1], a, b[1]);
      }
    }
  }

  // Stores two neighbouring weights of a row.
  __device__ __forceinline__ static void store(T* weights, float first, float second) {
    thread::store_shared(reinterpret_cast<uint32_t*>(weights),
                         Vector<uint32_t, 1>{thread::pack<T>(first, second)});
  }
};

template <class Sizes>
struct DecodeProducts<float, Sizes> {
  using Tile = SharedTile<float, Sizes::width>;
  using Scores = MatrixFragment<1, Sizes::warp_keys>;
  using Outputs = MatrixFragment<1, Sizes::warp_columns>;

  __device__ __forceinline__ static void score(Scores& scores, Tile queries, Tile keys, int first_key,
                                               int key_width) {
    for (int chunk = 0; chunk * Tile::per_chunk < key_width; ++chunk) {
      Vector<float, 4> rows[Scores::rows];
#pragma unroll
      for (int i = 0; i < Scores::rows; ++i)
        rows[i] = thread::load_shared<4>(queries.chunk(Scores::row(i), chunk));
#pragma unroll
      for (int j = 0; j < Scores::elements; ++j) {
        const auto key = thread::load_shared<4>(keys.chunk(first_key + Scores::column(j), chunk));
#pragma unroll
        for (int i = 0; i < Scores::rows; ++i) {
#pragma unroll
          for (int e = 0; e < 4; ++e) scores.at(i, j) += rows[i][e] * key[e];
        }
      }
    }
  }

  __device__ __forceinline__ static void accumulate(Outputs& outputs, const float* weights, Tile values,
                                                    int first_column, int value_width) {
    const auto lane = static_cast<int>(thread::lane());
#pragma unroll 1
    for (int key = 0; key < Sizes::keys; key += 4) {
      Vector<float, 4> rows[Outputs::rows];
#pragma unroll
      for (int i = 0; i < Outputs::rows; ++i) {
        rows[i] = thread::load_shared<4>(weights + Outputs::row(i) * Sizes::weight_stride + key);
      }
#pragma unroll
      for (int n = 0; n < Outputs::column_tiles; ++n) {
        const int column = first_column + n * 8 + lane % 4 * 2;
        if (first_column + n * 8 >= value_width) continue;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const auto value = thread::load_shared<2>(values.chunk(key + e, column / 4) + column % 4);
#pragma unroll
          for (int i = 0; i < Outputs::rows; ++i) {
            outputs.at(i, 2 * n) += rows[i][e] * value[0];
            outputs.at(i, 2 * n + 1) += rows[i][e] * value[1];
          }
        }
      }
    }
  }

  __device__ __forceinline__ static void store(float* weights, float first, float second) {
    thread::store_shared(weights, Vector<float, 2>{first, second});
  }
};

}  // namespace heed::cuda
