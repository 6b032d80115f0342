// The two products of attention_forward, for the rows of a warp. Elements of 16 bits use matrix instructions,
// float32 uses fused multiply-adds. The cost is proportional to the width, rounded up to 32.
#pragma once

#include <cstdint>

#include "cuda/attention_forward/tiles.cuh"
#include "cuda/common/fragments.cuh"
#include "cuda/common/online_softmax.cuh"
#include "cuda/device/matrix.cuh"

namespace heed::cuda {

template <class T, class Sizes>
struct ForwardProducts {
  static constexpr int row_tiles = Sizes::warp_rows / 16;
  using Scores = MatrixFragment<row_tiles, Sizes::keys>;
  using Outputs = MatrixFragment<row_tiles, Sizes::value_columns>;
  using Queries = SharedTile<T, Sizes::width>;
  using Keys = SharedTile<T, Sizes::width>;
  using Values = SharedTile<T, Sizes::value_columns>;

  // Q Kᵀ for queries from `first_row` on.
  static __device__ __forceinline__ void score(Scores& scores, Queries queries, int first_row, Keys keys,
                                               int key_width) {
    const auto lane = static_cast<int>(thread::lane());
    const typename Queries::Start query(first_row + lane % 16, lane / 16);
    const typename Keys::Start key(lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll 1
    for (int begin = 0; begin * Queries::per_chunk < key_width; begin += 4) {
#pragma unroll
      for (int chunk = begin; chunk < begin + 4; chunk += 2) {  // 16 elements of the key width
        uint32_t a[row_tiles][4];
#pragma unroll
        for (int r = 0; r < row_tiles; ++r) warp::load_matrices(a[r], queries.chunk(query, 16 * r, chunk));
#pragma unroll
        for (int n = 0; n < Scores::column_tiles; n += 2) {
          uint32_t both[4];
          warp::load_matrices(both, keys.chunk(key, 8 * n, chunk));
          const uint32_t b[2][2] = {{both[0], both[1]}, {both[2], both[3]}};
#pragma unroll
          for (int column = 0; column < 2; ++column) {
#pragma unroll
            for (int r = 0; r < row_tiles; ++r)
              warp::multiply_accumulate<T>(scores.sums[r][n + column], a[r], b[column]);
          }
        }
      }
    }
  }

  // O + P V. One matrix instruction leaves scores in the registers from which the next one takes weights.
  static __device__ __forceinline__ void accumulate(Outputs& outputs, const Scores& weights, Values values,
                                                    int value_width) {
    constexpr int key_steps = Sizes::keys / 16;
    const auto lane = static_cast<int>(thread::lane());
    const typename Values::Start value(lane % 16, lane / 16);
    uint32_t a[key_steps][row_tiles][4];
#pragma unroll
    for (int step = 0; step < key_steps; ++step) {
#pragma unroll
      for (int r = 0; r < row_tiles; ++r) {
        const auto &left = weights.sums[r][2 * step], &right = weights.sums[r][2 * step + 1];
        a[step][r][0] = thread::pack<T>(left[0], left[1]);
        a[step][r][1] = thread::pack<T>(left[2], left[3]);
        a[step][r][2] = thread::pack<T>(right[0], right[1]);
        a[step][r][3] = thread::pack<T>(right[2], right[3]);
      }
    }
#pragma unroll
    for (int n = 0; n < Outputs::column_tiles; n += 4) {
      if (n * 8 >= value_width) continue;
#pragma unroll
      for (int step = 0; step < key_steps; ++step) {
#pragma unroll
        for (int pair = 0; pair < 4; pair += 2) {
          uint32_t both[4];
          warp::load_matrices_transposed(both, values.chunk(value, 16 * step, n + pair));
          const uint32_t b[2][2] = {{both[0], both[1]}, {both[2], both[3]}};
#pragma unroll
          for (int column = 0; column < 2; ++column) {
#pragma unroll
            for (int r = 0; r < row_tiles; ++r)
              warp::multiply_accumulate<T>(outputs.sums[r][n + pair + column], a[step][r], b[column]);
          }
        }
      }
    }
  }

  // Stores a lane's sums as elements of a tile.
  static __device__ __forceinline__ void store(Queries tile, int first_row, Outputs& outputs, int i,
                                               const SoftmaxResult& result) {
#pragma unroll
    for (int j = 0; j < Outputs::elements; j += 2) {
      T* chunk = tile.chunk(first_row + Outputs::row(i), Outputs::column(j) / 8);
      thread::store_shared(reinterpret_cast<uint32_t*>(chunk + Outputs::column(j) % 8),
                           Vector<uint32_t, 1>{thread::pack<T>(result.scaled(outputs.at(i, j)),
                                                               result.scaled(outputs.at(i, j + 1)))});
    }
  }
};

template <class Sizes>
struct ForwardProducts<float, Sizes> {
  static constexpr int lane_rows = Sizes::warp_rows / 8;
  // Each lane of a row has as many neighbouring keys as a mask read covers.
  static constexpr int neighbours = Sizes::keys / 4 < 4 ? Sizes::keys / 4 : 4;
  using Scores = LaneFragment<lane_rows, Sizes::keys, neighbours>;
  using Outputs = LaneFragment<lane_rows, Sizes::value_columns, 4>;
  using Queries = SharedTile<float, Sizes::width>;
  using Keys = SharedTile<float, Sizes::width>;
  using Values = SharedTile<float, Sizes::value_columns>;

  static __device__ __forceinline__ void score(Scores& scores, Queries queries, int first_row, Keys keys,
                                               int key_width) {
    const typename Queries::Start query(first_row + Scores::row(0), 0);
#pragma unroll 1
    for (int chunk = 0; chunk * 4 < key_width; ++chunk) {
      Vector<float, 4> rows[lane_rows];
#pragma unroll
      for (int i = 0; i < lane_rows; ++i)
        rows[i] = thread::load_shared<4>(queries.chunk(query, 8 * i, chunk));
#pragma unroll
      for (int j = 0; j < Scores::elements; ++j) {
        const auto column = thread::load_shared<4>(keys.chunk(Scores::column(j), chunk));
#pragma unroll
        for (int e = 0; e < 4; ++e) {
#pragma unroll
          for (int i = 0; i < lane_rows; ++i) scores.at(i, j) += rows[i][e] * column[e];
        }
      }
    }
  }

  // Each lane of a row has a quarter of a key's weights and shares it with the others.
  static __device__ __forceinline__ void accumulate(Outputs& outputs, Scores& weights, Values values,
                                                    int value_width) {
    const uint32_t lane = thread::lane();
#pragma unroll
    for (int j = 0; j < Scores::elements; ++j) {
#pragma unroll 1
      for (int quarter = 0; quarter < 4; ++quarter) {
        const typename Values::Start start((j / neighbours * 4 + quarter) * neighbours + j % neighbours,
                                           static_cast<int>(lane) / 8);
        float weight[lane_rows];
#pragma unroll
        for (int i = 0; i < lane_rows; ++i)
          weight[i] = warp::shuffle(weights.at(i, j), static_cast<uint32_t>(quarter) * 8 + lane % 8);
#pragma unroll
        for (int column = 0; column < Outputs::elements; column += 4) {
          if (column * 4 >= value_width) continue;
          const auto value = thread::load_shared<4>(values.chunk(start, 0, column));
#pragma unroll
          for (int i = 0; i < lane_rows; ++i) {
#pragma unroll
            for (int e = 0; e < 4; ++e) outputs.at(i, column + e) += weight[i] * value[e];
          }
        }
      }
    }
  }

  static __device__ __forceinline__ void store(Queries tile, int first_row, Outputs& outputs, int i,
                                               const SoftmaxResult& result) {
#pragma unroll
    for (int j = 0; j < Outputs::elements; j += 4) {
      Vector<float, 4> four;
#pragma unroll
      for (int e = 0; e < 4; ++e) four[e] = result.scaled(outputs.at(i, j + e));
      thread::store_shared(tile.chunk(first_row + Outputs::row(i), Outputs::column(j) / 4), four);
    }
  }
};

}  // namespace heed::cuda
