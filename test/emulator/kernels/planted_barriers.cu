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
__global__ void waits_for_another_block(PlantedOperands p) {
  if (thread::index() == 0) {
    const uint32_t mine = block::index() + 1, other = 3 - mine;
    // Blocks need not run at the same time: the other may not be there to write.
    while (thread::atomic_exchange(p.counter, mine) != other && planted) {  // found here
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
      HEED_PLANTED(waits_for_another_block, 2, 32, 0, endless),
  };
}

}  // namespace heed::emulator
