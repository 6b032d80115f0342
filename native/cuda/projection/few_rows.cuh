// y = x Wᵀ for at most 16 rows of x, limited by the speed of reading W. Each warp takes every fourth stretch
// of the inner dimension and loads it from global memory directly into the registers of the matrix
// instructions.
#pragma once

#include <cstdint>

#include "cuda/common/operand_tile.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/matrix.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/projection/output.cuh"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

using FewRowsSums = SumTile<few_rows, few_rows_columns>;
constexpr uint32_t few_rows_shared_bytes = few_rows_warps * FewRowsSums::elements * sizeof(float);

namespace detail {

// One stretch of 64 elements of the inner dimension. Lane l has chunks l % 4 and l % 4 + 4 of 16 bytes of row
// l / 4, so four lanes read two whole sectors at a time. A chunk supplies two pairs of elements to each of
// two matrix instructions: the place of an element in the sum does not matter, as long as x and W agree.
template <class T>
struct Stretch {
  static constexpr uint32_t elements = 64, per_chunk = 8, column_fragments = few_rows_columns / 8;
  Vector<uint32_t, 4> rows[2][2], columns[column_fragments][2];

  __device__ __forceinline__ static Vector<uint32_t, 4> chunk(const Matrix& matrix, int64_t row,
                                                              int64_t column) {
    const int64_t left = row < matrix.rows ? matrix.columns - column : 0;
    const T* from = static_cast<const T*>(matrix.data) + row * matrix.columns + column;
    if (left <= 0) return {};
    if (matrix.aligned) return thread::load_global<4>(reinterpret_cast<const uint32_t*>(from));
    const Vector<T, per_chunk> some = thread::load_some<per_chunk>(from, left < per_chunk ? left : per_chunk);
    Vector<uint32_t, 4> pairs;
#pragma unroll
    for (int i = 0; i < 4; ++i)
      pairs[i] = some[2 * i].bits | static_cast<uint32_t>(some[2 * i + 1].bits) << 16;
    return pairs;
  }

  __device__ __forceinline__ void load_weight(const Matrix& weight, int64_t column, int64_t at) {
#pragma unroll
    for (uint32_t c = 0; c < column_fragments; ++c) {
#pragma unroll
      for (uint32_t i = 0; i < 2; ++i)
        columns[c][i] = chunk(weight, column + c * 8 + thread::lane() / 4, at + i * 32);
    }
  }
  __device__ __forceinline__ void load_input(const Matrix& input, int64_t at) {
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
#pragma unroll
      for (uint32_t i = 0; i < 2; ++i) rows[r][i] = chunk(input, r * 8 + thread::lane() / 4, at + i * 32);
    }
  }
  __device__ __forceinline__ void load(const Matrix& input, const Matrix& weight, int64_t column,
                                       int64_t stretch) {
    const int64_t at = stretch * elements + thread::lane() % 4 * per_chunk;
    load_weight(weight, column, at);
    load_input(input, at);
  }

  __device__ __forceinline__ void multiply(float (&sums)[column_fragments][4]) const {
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
#pragma unroll
      for (int half = 0; half < 4; half += 2) {
        const uint32_t a[4] = {rows[0][i][half], rows[1][i][half], rows[0][i][half + 1],
                               rows[1][i][half + 1]};
#pragma unroll
        for (uint32_t c = 0; c < column_fragments; ++c) {
          const uint32_t b[2] = {columns[c][i][half], columns[c][i][half + 1]};
          warp::multiply_accumulate<T>(sums[c], a, b);
        }
      }
    }
  }
};

// Adds the warps' shares of the sums, in the order of the warps.
__device__ __forceinline__ void write_few_rows(const ProjectionParameters& p, int64_t column,
                                               const float* shares) {
  block::write_products<FewRowsSums, few_rows_threads>(p, 0, column, [shares](uint32_t row, uint32_t at) {
    Vector<float, 4> sums{};
#pragma unroll
    for (uint32_t w = 0; w < few_rows_warps; ++w) {
      const auto share =
          thread::load_shared<4>(shares + w * FewRowsSums::elements + FewRowsSums::offset(row, at));
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[i] += share[i];
    }
    return sums;
  });
}

}  // namespace detail

template <class T>
__global__ void __launch_bounds__(few_rows_threads)
    projection_few_rows_kernel(const __grid_constant__ ProjectionParameters p) {
  using Stretch = detail::Stretch<T>;
  const int64_t column = p.first_column + int64_t{block::index()} * few_rows_columns;
  const Matrix input{p.input, p.rows, p.inner, p.aligned},
      weight{p.weight, p.last_column, p.inner, p.aligned};
  const int64_t stretches = (p.inner + Stretch::elements - 1) / Stretch::elements;
  float sums[Stretch::column_fragments][4] = {};

  Stretch now, next;
  now.load(input, weight, column, warp::index());
  for (int64_t stretch = warp::index(); stretch < stretches; stretch += few_rows_warps) {
    next.load(input, weight, column, stretch + few_rows_warps);
    now.multiply(sums);
    now = next;
  }

  auto* shares = block::shared_memory<float>();
  const uint32_t row = thread::lane() / 4, within = thread::lane() % 4 * 2;
#pragma unroll
  for (uint32_t c = 0; c < Stretch::column_fragments; ++c) {
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      float* to = shares + warp::index() * FewRowsSums::elements +
                  FewRowsSums::offset(row + half * 8, c * 8 + within);
      thread::store_shared(to, Vector<float, 2>{sums[c][half * 2], sums[c][half * 2 + 1]});
    }
  }
  block::sync();
  detail::write_few_rows(p, column, shares);
}

namespace detail {

constexpr uint32_t floats_per_lane = 4;

__device__ __forceinline__ Vector<float, floats_per_lane> floats_of(const void* data, bool aligned,
                                                                    int64_t row, int64_t inner, int64_t at) {
  const float* from = static_cast<const float*>(data) + row * inner + at;
  if (aligned) return thread::load_global<floats_per_lane>(from);
  return thread::load_some<floats_per_lane>(from,
                                            inner - at < floats_per_lane ? inner - at : floats_per_lane);
}
__device__ __forceinline__ Vector<float, floats_per_lane> load_weight(const ProjectionParameters& p,
                                                                      int64_t column, int64_t at) {
  return column < p.last_column ? floats_of(p.weight, p.aligned, column, p.inner, at)
                                : Vector<float, floats_per_lane>{};
}
__device__ __forceinline__ Vector<float, floats_per_lane> load_input(const ProjectionParameters& p,
                                                                     int64_t row, int64_t at) {
  return floats_of(p.input, p.aligned, row, p.inner, at);
}

}  // namespace detail

// True float32, with fused multiply-adds: lanes take neighbouring elements of the inner dimension, four
// columns of W at a time, and add their sums at the end.
__global__ void __launch_bounds__(few_rows_threads)
    projection_few_rows_float_kernel(const __grid_constant__ ProjectionParameters p) {
  constexpr uint32_t per_lane = detail::floats_per_lane, at_once = 4,
                     per_warp = few_rows_columns / few_rows_warps;
  const int64_t first_column = p.first_column + int64_t{block::index()} * few_rows_columns;
  auto* shares = block::shared_memory<float>();  // of this warp only: each warp has its own columns
#pragma unroll 1
  for (uint32_t within = warp::index() * per_warp; within < (warp::index() + 1) * per_warp;
       within += at_once) {
    float sums[few_rows][at_once] = {};
#pragma unroll 1
    for (int64_t at = thread::lane() * per_lane; at < p.inner; at += warp::size * per_lane) {
      Vector<float, per_lane> weight[at_once];
#pragma unroll
      for (uint32_t c = 0; c < at_once; ++c)
        weight[c] = detail::load_weight(p, first_column + within + c, at);
#pragma unroll
      for (uint32_t r = 0; r < few_rows; ++r) {
        if (r >= p.rows) continue;
        const Vector<float, per_lane> x = detail::load_input(p, r, at);
#pragma unroll
        for (uint32_t c = 0; c < at_once; ++c) {
#pragma unroll
          for (uint32_t i = 0; i < per_lane; ++i) sums[r][c] += x[i] * weight[c][i];
        }
      }
    }
#pragma unroll
    for (uint32_t r = 0; r < few_rows; ++r) {
#pragma unroll
      for (uint32_t c = 0; c < at_once; ++c) {
        float sum = sums[r][c];
#pragma unroll
        for (uint32_t bits = warp::size / 2; bits > 0; bits /= 2) sum += warp::shuffle_xor(sum, bits);
        if (thread::lane() == 0) shares[FewRowsSums::offset(r, within + c)] = sum;
      }
    }
  }
  block::sync();
  block::write_products<FewRowsSums, few_rows_threads>(
      p, 0, first_column, [shares](uint32_t row, uint32_t at) {
        return thread::load_shared<4>(shares + FewRowsSums::offset(row, at));
      });
}

}  // namespace heed::cuda
