// Barriers that not all threads come to, or at which they wait for ever.
#include "cuda/device/atomic.cuh"
#include "cuda/device/warp.cuh"
#include "kernels/planted.cuh"

namespace heed::emulator {

namespace {

namespace warp = cuda::warp;

template <bool planted>
__global__ void some_return_early(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  if (planted && t >= 100) return;
  if (t < 100) tile[t] = p.in[t];
  block::sync();  // found here
  if (t < 100) p.out[t] = tile[99 - t];
}

template <bool planted>
__global__ void barrier_in_both_branches(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  tile[t] = p.in[t];
  if (planted && t < 64) {
    block::sync();  // found here
    tile[t] += 1;
  } else {
    block::sync();  // found here
  }
  p.out[t] = tile[t];
}

template <bool planted>
__global__ void barrier_inside_a_warp_branch(PlantedOperands p) {
  const uint32_t t = thread::index();
  if (!planted || thread::lane() < 16) {
    block::sync();  // found here
  } else {
    warp::sync();  // found here
  }
  p.out[t] = p.in[t];
}

template <bool planted>
__global__ void barriers_crossed(PlantedOperands p) {
  const uint32_t first = planted && warp::index() == 1 ? 2 : 1;
  block::sync(first, 64);  // found here
  block::sync(3 - first, 64);
  p.out[thread::index()] = p.in[thread::index()];
}

template <bool planted>
__global__ void barrier_for_part_of_a_warp(PlantedOperands p) {
  block::sync(1, planted ? 48 : 64);  // found here
  p.out[thread::index()] = p.in[thread::index()];
}

template <bool planted>
__global__ void producer_does_not_arrive(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  if (warp::index() == 0) {
    tile[t] = p.in[t];
    if (!planted) block::arrive(4, 64);
  } else {
    block::sync(4, 64);  // found here
    p.out[t] = tile[t - 32];
  }
}

template <bool planted>
__global__ void waits_for_another_block(PlantedOperands p) {
  if (thread::index() == 0) {
    if (block::index() == 0) thread::atomic_add(p.counter, 1u);
    // Blocks need not run at the same time: nobody may be there to write.
    while (planted && thread::atomic_add(p.counter, 0u) < 2) {  // found here
    }
  }
  block::sync();
  if (block::index() == 0) p.out[thread::index()] = p.in[thread::index()];
}

}  // namespace

std::vector<PlantedBug> planted_barriers() {
  using enum FaultKind;
  return {
      HEED_PLANTED(some_return_early, 1, 128, 100, missing_barrier),
      HEED_PLANTED(barrier_in_both_branches, 1, 128, 128, divergent_barrier),
      HEED_PLANTED(barrier_inside_a_warp_branch, 1, 64, 0, deadlock, divergent_warp),
      HEED_PLANTED(barriers_crossed, 1, 64, 0, deadlock),
      HEED_PLANTED(barrier_for_part_of_a_warp, 1, 64, 0, wrong_barrier),
      HEED_PLANTED(producer_does_not_arrive, 1, 64, 32, deadlock),
      HEED_PLANTED(waits_for_another_block, 2, 32, 0, endless),
  };
}

}  // namespace heed::emulator
