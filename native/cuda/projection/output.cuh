// The end of a projection: adds the bias to a tile of sums and writes it in the layout that attention reads.
#pragma once

#include <cstdint>

#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/projection/parameters.h"

namespace heed::cuda {

// Sums in shared memory, where they are rearranged from the fragments of the matrix instructions to whole
// rows. The order of octets of columns changes from row to row, so that neither side has bank conflicts.
template <uint32_t tile_rows, uint32_t tile_columns>
struct SumTile {
  static constexpr uint32_t rows = tile_rows, columns = tile_columns, elements = rows * columns;
  static constexpr uint32_t octets = columns / 8 < 8 ? columns / 8 : 8;

  __device__ __forceinline__ static uint32_t offset(uint32_t row, uint32_t column) {
    return row * columns + ((column / 8) ^ (row % octets)) * 8 + column % 8;
  }
};

namespace detail {

// The destination of `count` neighbouring columns of the product, row by row.
struct ColumnPlace {
  const ProjectionTarget* target = nullptr;  // null if no target has these columns
  int64_t offset = 0;                        // of the head and the place within it
  bool together = false;                     // the columns are also neighbours there, and aligned as a vector
};

__device__ __forceinline__ ColumnPlace place_of(const ProjectionParameters& p, int64_t column,
                                                uint32_t count) {
  ColumnPlace place;
  for (int32_t t = 0; t < p.target_count; ++t) {
    const ProjectionTarget& target = p.targets[t];
    const int64_t within = column - target.first_column;
    if (within < 0 || within >= target.columns) continue;
    const int64_t head = within / target.head_width, element = within % target.head_width;
    place.target = &target;
    place.offset = head * target.view.head_stride + element;
    const int64_t misaligned = target.view.batch_stride | target.view.step_stride | place.offset;
    const auto address = reinterpret_cast<uintptr_t>(target.view.data);
    const uint32_t bytes = count * (target.view.type == DType::float32 ? 4 : 2);
    place.together = element + count <= target.head_width && within + count <= target.columns &&
                     misaligned % count == 0 && address % bytes == 0;
  }
  return place;
}

template <class T, int count>
__device__ __forceinline__ void store_as(void* data, int64_t offset, const Vector<float, count>& sums) {
  Vector<T, count> rounded;
#pragma unroll
  for (int i = 0; i < count; ++i) rounded[i] = thread::from_float<T>(sums[i]);
  thread::store_global(static_cast<T*>(data) + offset, rounded);
}

template <int count>
__device__ __forceinline__ void store_as(const MutableView& view, int64_t offset,
                                         const Vector<float, count>& sums) {
  if (view.type == DType::float32) return store_as<float>(view.data, offset, sums);
  if (view.type == DType::float16) return store_as<Float16>(view.data, offset, sums);
  store_as<BFloat16>(view.data, offset, sums);
}

}  // namespace detail

namespace block {

// `sums(row, column)` returns four neighbouring sums of the tile whose corner is (first_row, first_column).
// Each thread has four columns of every n-th row, so that a warp writes whole rows.
template <class Tile, uint32_t threads, class Sums>
__device__ __forceinline__ void write_products(const ProjectionParameters& p, int64_t first_row,
                                               int64_t first_column, Sums sums) {
  constexpr uint32_t threads_per_row = Tile::columns / 4, rows_at_once = threads / threads_per_row;
  const uint32_t row_begin = thread::index() / threads_per_row,
                 column = thread::index() % threads_per_row * 4;
  const int64_t left = p.last_column - first_column - column;
  Vector<float, 4> bias{};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (p.bias != nullptr && i < left) bias[i] = p.bias[first_column + column + i];
  }
  const auto write = [&](auto place, auto store) {
    const MutableView& view = place.target->view;
    int64_t batch = (first_row + row_begin) / p.steps, step = (first_row + row_begin) % p.steps;
    for (uint32_t row = row_begin; row < Tile::rows && first_row + row < p.rows; row += rows_at_once) {
      Vector<float, 4> values = sums(row, column);
#pragma unroll
      for (int i = 0; i < 4; ++i) values[i] += bias[i];
      store(view, place.offset + batch * view.batch_stride + step * view.step_stride, values);
      for (step += rows_at_once; step >= p.steps; step -= p.steps) ++batch;
    }
  };
  const detail::ColumnPlace place = detail::place_of(p, first_column + column, 4);
  if (place.together) {
    write(place, [](const MutableView& view, int64_t offset, const Vector<float, 4>& values) {
      detail::store_as(view, offset, values);
    });
    return;
  }
  for (int i = 0; i < 4 && i < left; ++i) {
    const detail::ColumnPlace own = detail::place_of(p, first_column + column + i, 1);
    if (own.target == nullptr) continue;
    write(own, [i](const MutableView& view, int64_t offset, const Vector<float, 4>& values) {
      const float value = i == 0 ? values[0] : i == 1 ? values[1] : i == 2 ? values[2] : values[3];
      detail::store_as(view, offset, Vector<float, 1>{value});
    });
  }
}

}  // namespace block

}  // namespace heed::cuda
