// Handles values of NaN or ±∞ that not every row attends, because 0 · ∞ would be NaN in the other rows. The
// product of such a value and its weight is added to the rows that attend it, and the value is removed from
// the tile before the tile is multiplied.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/common/shared_tile.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

template <class T>
__device__ __forceinline__ bool is_special(T value) {
  const float x = thread::to_float(value);
  return !(x - x == 0);
}

// For a chunk of 16 bytes in shared memory.
template <class T>
__device__ __forceinline__ bool has_special(const T* chunk) {
  constexpr int per_chunk = 16 / sizeof(T);
  const auto elements = thread::load_shared<per_chunk>(chunk);
  bool found = false;
#pragma unroll
  for (int e = 0; e < per_chunk; ++e) found |= is_special(elements[e]);
  return found;
}

template <class T>
__device__ __forceinline__ void clear_special(T* chunk) {
  constexpr int per_chunk = 16 / sizeof(T);
  auto elements = thread::load_shared<per_chunk>(chunk);
#pragma unroll
  for (int e = 0; e < per_chunk; ++e) {
    if (is_special(elements[e])) elements[e] = T{};
  }
  thread::store_shared(chunk, elements);
}

// How a key relates to a row: whether the row attends it, and whether it then has a nonzero weight as
// products take it.
struct Attendance {
  bool attended, weighs;
};
template <class T>
__device__ __forceinline__ bool weighs(T weight) {
  return thread::to_float(weight) != 0;
}

namespace warp {

// Adds the special values of a tile, from `first_column` on, to the rows that attend them. `attendance(i,
// key)` describes the lane's i-th row and a key of the tile.
template <int keys, class T, int columns, class Outputs, class AttendanceOf>
__device__ __forceinline__ void add_special(Outputs& outputs, SharedTile<T, columns> values, int first_column,
                                            int value_width, AttendanceOf attendance) {
  using Tile = SharedTile<T, columns>;
#pragma unroll 1
  for (int key = 0; key < keys; ++key) {
    Attendance of[Outputs::rows];
#pragma unroll
    for (int i = 0; i < Outputs::rows; ++i) of[i] = attendance(i, key);
#pragma unroll
    for (int j = 0; j < Outputs::elements; ++j) {
      const int column = first_column + Outputs::column(j);
      if (column >= value_width) continue;
      const T value = values.chunk(key, column / Tile::per_chunk)[column % Tile::per_chunk];
      if (!is_special(value)) continue;
#pragma unroll
      for (int i = 0; i < Outputs::rows; ++i) {
        if (of[i].attended) outputs.at(i, j) += of[i].weighs ? thread::to_float(value) : NAN;
      }
    }
  }
}

// The same, and removes them from the columns of `outputs`, which only this warp uses.
template <int keys, class T, int columns, class Outputs, class AttendanceOf>
__device__ __forceinline__ void move_special(Outputs& outputs, SharedTile<T, columns> values,
                                             int first_column, int value_width, AttendanceOf attendance) {
  using Tile = SharedTile<T, columns>;
  const int chunks = (value_width - first_column + Tile::per_chunk - 1) / Tile::per_chunk;
  constexpr int most_chunks = Outputs::columns / Tile::per_chunk;
  const auto each_chunk = [&](auto f) {
    for (int i = static_cast<int>(thread::lane()); i < keys * (chunks < most_chunks ? chunks : most_chunks);
         i += 32) {
      f(values.chunk(i % keys, first_column / Tile::per_chunk + i / keys));
    }
  };
  bool found = false;
  each_chunk([&found](const T* chunk) { found |= has_special(chunk); });
  if (!warp::any(found)) return;
  add_special<keys>(outputs, values, first_column, value_width, attendance);
  warp::sync();
  each_chunk([](T* chunk) { clear_special(chunk); });
  warp::sync();
}

}  // namespace warp

}  // namespace heed::cuda
