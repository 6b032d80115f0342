#include "kernels/counted.h"

#include "cuda/device/async_copy.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/matrix.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/warp.cuh"

namespace heed::emulator {

namespace {

namespace block = cuda::block;
namespace thread = cuda::thread;
namespace warp = cuda::warp;

__global__ void strided_kernel(uint32_t stride, const float* in, float* out) {
  float* tile = block::shared_memory<float>();
  const uint32_t l = thread::lane();
  tile[l * stride] = in[l];
  warp::sync();
  out[l] = tile[l * stride];
}

__device__ __forceinline__ void load_rows(const float* tile, bool exchanged, float* out) {
  const uint32_t l = thread::lane();
  uint32_t sum = 0;
  for (uint32_t chunk = 0; chunk < 8; ++chunk) {
    uint32_t fragments[4];
    warp::load_matrices(fragments, tile + l * 32 + (exchanged ? chunk ^ l % 8 : chunk) * 4);
    sum += fragments[0] ^ fragments[1] ^ fragments[2] ^ fragments[3];
  }
  out[thread::index()] = static_cast<float>(sum % 1024);
}

__global__ void matrix_rows_kernel(bool exchanged, const float* in, float* out) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  for (uint32_t i = t; i < 256; i += 64) {
    const uint32_t row = i / 8, chunk = i % 8;
    thread::copy_async<16>(tile + row * 32 + (exchanged ? chunk ^ row % 8 : chunk) * 4, in + i * 4);
  }
  thread::commit_copies();
  thread::wait_for_copies<0>();
  block::sync();
  load_rows(tile, exchanged, out);
}

__global__ void ragged_kernel(const float* in, float* out) {
  const uint32_t l = thread::lane();
  float sum = 0;
  for (uint32_t i = 0; i <= l; ++i) sum += in[i * 32 + l];
  out[l] = sum;
}

__global__ void busy_kernel(const float* in, float* out) {
  const uint32_t t = thread::index();
  float sums[4] = {in[t], 0, 0, 0};
  const uint32_t a[4] = {}, b[2] = {};
  for (int i = 0; i < 5; ++i) warp::multiply_accumulate<cuda::BFloat16>(sums, a, b);
  float x = sums[0];
  for (int i = 0; i < 3; ++i) x = thread::exp2(x);
  for (uint32_t i = 1; i <= 2; ++i) x += warp::shuffle_xor(x, i);
  block::sync();
  out[t] = x;
}

}  // namespace

void strided(uint32_t stride, const float* in, float* out) {
  cuda::launch(&strided_kernel, {1, 32, 32 * size_t{stride} * sizeof(float)}, nullptr, stride, in, out);
}
void matrix_rows(bool exchanged, const float* in, float* out) {
  cuda::launch(&matrix_rows_kernel, {1, 64, 4096}, nullptr, exchanged, in, out);
}
void ragged(const float* in, float* out) {
  cuda::launch(&ragged_kernel, {1, 32, 0}, nullptr, in, out);
}
void busy(const float* in, float* out) {
  cuda::launch(&busy_kernel, {1, 64, 0}, nullptr, in, out);
}

}  // namespace heed::emulator
