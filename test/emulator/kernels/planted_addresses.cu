// Addresses that are wrong.
#include "cuda/device/async_copy.cuh"
#include "cuda/device/matrix.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"
#include "kernels/planted.cuh"

namespace heed::emulator {

namespace {

namespace warp = cuda::warp;

template <bool planted>
__global__ void last_tile_read_whole(PlantedOperands p) {
  const uint32_t at = block::index() * 100 + thread::index();
  if (planted || at < PlantedOperands::in_size) p.out[at % 1024] = p.in[at];  // found here
}

template <bool planted>
__global__ void writes_one_too_many(PlantedOperands p) {
  const uint32_t t = thread::index();
  for (uint32_t at = t; planted ? at <= 1024 : at < 1024; at += block::threads())
    p.out[at] = p.in[t];  // found here
}

template <bool planted>
__global__ void reads_before_the_beginning(PlantedOperands p) {
  const int64_t t = thread::index();
  p.out[t] = (planted || t > 0 ? p.in[t - 1] : 0.0f) + p.in[t];  // found here
}

template <bool planted>
__global__ void row_of_shared_memory_too_long(PlantedOperands p) {
  float* tile = block::shared_memory<float>();  // 8 rows of 32
  const uint32_t t = thread::index(), row = t / 32, column = t % 32;
  float* mine = tile + row * (planted ? 33 : 32) + column;
  *mine = p.in[t];  // found here
  p.out[t] = *mine;
}

template <bool planted>
__global__ void vector_from_an_odd_row(PlantedOperands p) {
  const uint32_t t = thread::index();
  const auto four = thread::load_global<4>(p.in + t * (planted ? 5 : 4));  // found here
  p.out[t] = four[0] + four[1] + four[2] + four[3];
}

template <bool planted>
__global__ void matrix_row_not_aligned(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  for (uint32_t i = t; i < 256; i += 32) tile[i] = p.in[i];
  warp::sync();
  uint32_t fragments[4];
  warp::load_matrices(fragments, tile + t * (planted ? 5 : 4));  // found here
  p.out[t] = static_cast<float>(fragments[0] % 2);
}

template <bool planted>
__global__ void copy_into_global_memory(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  thread::copy_async<4>(planted ? p.out + t : tile + t, p.in + t);  // found here
  thread::commit_copies();
  thread::wait_for_copies<0>();
  if (!planted) p.out[t] = tile[t];
}

template <bool planted>
__global__ void writes_to_its_input(PlantedOperands p) {
  const uint32_t t = thread::index();
  float* to = planted ? const_cast<float*>(p.in) : p.out;
  to[t] = 1;  // found here
}

}  // namespace

std::vector<PlantedBug> planted_addresses() {
  using enum FaultKind;
  return {
      HEED_PLANTED(last_tile_read_whole, 11, 100, 0, out_of_bounds),
      HEED_PLANTED(writes_one_too_many, 1, 128, 0, out_of_bounds),
      HEED_PLANTED(reads_before_the_beginning, 1, 64, 0, out_of_bounds),
      HEED_PLANTED(row_of_shared_memory_too_long, 1, 256, 256, out_of_bounds),
      HEED_PLANTED(vector_from_an_odd_row, 1, 64, 0, misaligned),
      HEED_PLANTED(matrix_row_not_aligned, 1, 32, 256, misaligned),
      HEED_PLANTED(copy_into_global_memory, 1, 32, 32, wrong_space),
      HEED_PLANTED(writes_to_its_input, 1, 32, 0, read_only),
  };
}

}  // namespace heed::emulator
