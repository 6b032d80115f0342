// Races.
#include "cuda/device/atomic.cuh"
#include "cuda/device/warp.cuh"
#include "kernels/planted.cuh"

namespace heed::emulator {

namespace {

namespace warp = cuda::warp;

template <bool planted>
__global__ void barrier_left_out(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index(), last = block::threads() - 1;
  tile[t] = p.in[t];
  block::sync();
  const float mirrored = tile[last - t];
  block::sync();
  tile[t] = mirrored;  // found here
  if (!planted) block::sync();
  p.out[t] = tile[last - t];  // found here
}

template <bool planted>
__global__ void tile_overwritten_too_early(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index(), threads = block::threads();
  float sum = 0;
  for (uint32_t begin = 0; begin < 512; begin += threads) {
    tile[t] = p.in[begin + t];  // found here
    block::sync();
    for (uint32_t i = 0; i < threads; ++i) sum += tile[i];  // found here
    if (!planted) block::sync();
  }
  p.out[t] = sum;
}

template <bool planted>
__global__ void lanes_not_in_step(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  for (int round = 0; round < 2; ++round) {
    tile[t] = p.in[t] + static_cast<float>(round);  // found here
    if (!planted) warp::sync();
    const float neighbour = tile[t ^ 1];  // found here
    warp::sync();
    if (round == 1) p.out[t] = neighbour;
  }
}

template <bool planted>
__global__ void shuffle_taken_for_barrier(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  tile[t] = p.in[t];
  warp::sync();
  const float other = tile[t ^ 5];  // found here
  if (!planted) warp::sync();
  const float sum = warp::shuffle_xor(other, 1);
  tile[t] = sum;  // found here
  warp::sync();
  p.out[t] = tile[t ^ 9];
}

template <bool planted>
__global__ void two_write_one_place(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  tile[planted ? t / 2 : t] = p.in[t];  // found here
  block::sync();
  if (t < block::threads() / 2) p.out[t] = tile[t];
}

template <bool planted>
__global__ void blocks_write_one_place(PlantedOperands p) {
  const uint32_t t = thread::index(), stride = planted ? block::threads() - 1 : block::threads();
  p.out[block::index() * stride + t] = p.in[t];  // found here
}

template <bool planted>
__global__ void flag_without_atomic(PlantedOperands p) {
  if (planted) {
    *p.counter = 1;  // found here
  } else {
    thread::atomic_exchange(p.counter, 1u);
  }
}

}  // namespace

std::vector<PlantedBug> planted_races() {
  using enum FaultKind;
  return {
      HEED_PLANTED(barrier_left_out, 1, 128, 128, race),
      HEED_PLANTED(tile_overwritten_too_early, 1, 128, 128, race),
      HEED_PLANTED(lanes_not_in_step, 1, 64, 64, race, unwritten_read),
      HEED_PLANTED(shuffle_taken_for_barrier, 1, 32, 32, race),
      HEED_PLANTED(two_write_one_place, 1, 128, 128, race),
      HEED_PLANTED(blocks_write_one_place, 3, 64, 0, race),
      HEED_PLANTED(flag_without_atomic, 2, 32, 0, race),
  };
}

}  // namespace heed::emulator
