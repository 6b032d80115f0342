#include "matrix_loop.h"

#include <stdexcept>

#include "core/dtype.h"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/matrix.cuh"
#include "cuda/device/thread.cuh"

namespace heed::bench {

namespace {

namespace block = cuda::block;
namespace thread = cuda::thread;
namespace warp = cuda::warp;

// Every fragment of the left is multiplied with every one of the right: 16 sums of 16 × 8 that do not wait
// for each other. They leave room in the registers for four warps a scheduler.
constexpr uint32_t left_fragments = 4, right_fragments = 4, warps = 16;
constexpr uint32_t rows = 16 * left_fragments, columns = 8 * right_fragments, inner = 16;

// Two neighbours of a row: columns 2(l % 4) and the next one of its left half, or of its right half.
__device__ __forceinline__ uint32_t pair(const uint32_t* matrix, uint32_t row, uint32_t half) {
  return matrix[row * (inner / 2) + half * 4 + thread::lane() % 4];
}

__device__ __forceinline__ void store(float* output, const float (&sums)[4]) {
  const uint32_t row = thread::lane() / 4, column = 2 * (thread::lane() % 4);
  for (uint32_t i = 0; i < 4; ++i) output[(row + i / 2 * 8) * columns + column + i % 2] = sums[i];
}

template <class T>
__global__ void __launch_bounds__(32 * warps)
    matrix_loop_kernel(const uint32_t* left, const uint32_t* right, float* output, int64_t rounds) {
  uint32_t a[left_fragments][4], b[right_fragments][2];
  float sums[left_fragments][right_fragments][4] = {};
  const uint32_t row = thread::lane() / 4;
  for (uint32_t f = 0; f < left_fragments; ++f)
    for (uint32_t i = 0; i < 4; ++i) a[f][i] = pair(left, 16 * f + row + i % 2 * 8, i / 2);
  for (uint32_t f = 0; f < right_fragments; ++f)
    for (uint32_t i = 0; i < 2; ++i) b[f][i] = pair(right, 8 * f + row, i);
#pragma unroll 1
  for (int64_t round = 0; round < rounds; ++round) {
    for (uint32_t i = 0; i < left_fragments; ++i)
      for (uint32_t j = 0; j < right_fragments; ++j) warp::multiply_accumulate<T>(sums[i][j], a[i], b[j]);
  }
  float* own = output + int64_t{block::index() * warps + thread::index() / 32} * rows * columns;
  for (uint32_t i = 0; i < left_fragments; ++i)
    for (uint32_t j = 0; j < right_fragments; ++j) store(own + 16 * i * columns + 8 * j, sums[i][j]);
}

}  // namespace

void matrix_loop(const HeedMatrixLoop& asked, cuda::Stream stream) {
  const auto type = static_cast<DType>(asked.type);
  if (type != DType::float16 && type != DType::bfloat16)
    throw std::invalid_argument("Expected type to be float16 or bfloat16");
  cuda::launch(
      type == DType::float16 ? &matrix_loop_kernel<cuda::Float16> : &matrix_loop_kernel<cuda::BFloat16>,
      {asked.blocks, 32 * warps, 0}, stream, static_cast<const uint32_t*>(asked.left),
      static_cast<const uint32_t*>(asked.right), asked.output, asked.rounds);
}

}  // namespace heed::bench
