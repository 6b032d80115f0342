// Reads of what was never written, or has not landed yet.
#include "cuda/device/async_copy.cuh"
#include "kernels/planted.cuh"

namespace heed::emulator {

namespace {

template <bool planted>
__global__ void tail_not_filled(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  if (t < 100) {
    tile[t] = p.in[t];
  } else if (!planted) {
    tile[t] = 0;
  }
  block::sync();
  float sum = 0;
  for (uint32_t i = 0; i < block::threads(); ++i) sum += tile[i];  // found here
  p.out[t] = sum;
}

template <bool planted>
__global__ void output_taken_for_zero(PlantedOperands p) {
  const uint32_t t = thread::index();
  if (!planted) p.out[t] = 0;
  p.out[t] += p.in[t];  // found here
}

template <bool planted>
__global__ void waits_for_one_copy_too_few(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index(), threads = block::threads();
  for (uint32_t stage = 0; stage < 2; ++stage) {
    thread::copy_async<16>(tile + (stage * threads + t) * 4, p.in + (stage * threads + t) * 4);
    thread::commit_copies();
  }
  thread::wait_for_copies<planted ? 1 : 0>();
  block::sync();
  for (uint32_t i = t; i < 2 * threads * 4; i += threads) p.out[i] = tile[i];  // found here
}

template <bool planted>
__global__ void own_copies_awaited_only(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index(), threads = block::threads();
  thread::copy_async<16>(tile + t * 4, p.in + t * 4);  // found here
  thread::commit_copies();
  thread::wait_for_copies<0>();
  if (!planted) block::sync();
  for (uint32_t i = t; i < threads * 4; i += threads) p.out[i] = tile[i];  // found here
}

template <bool planted>
__global__ void copy_never_committed(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index();
  thread::copy_async<4>(tile + t, p.in + t);
  if (!planted) thread::commit_copies();
  thread::wait_for_copies<0>();
  p.out[t] = tile[t];  // found here
}

template <bool planted>
__global__ void stage_refilled_too_early(PlantedOperands p) {
  float* tile = block::shared_memory<float>();
  const uint32_t t = thread::index(), threads = block::threads();
  float sum = 0;
  for (uint32_t begin = 0; begin < 512; begin += threads) {
    thread::copy_async<4>(tile + t, p.in + begin + t);  // found here
    thread::commit_copies();
    thread::wait_for_copies<0>();
    block::sync();
    for (uint32_t i = 0; i < threads; ++i) sum += tile[i];  // found here
    if (!planted) block::sync();
  }
  p.out[t] = sum;
}

}  // namespace

std::vector<PlantedBug> planted_unwritten() {
  using enum FaultKind;
  return {
      HEED_PLANTED(tail_not_filled, 1, 128, 128, unwritten_read),
      HEED_PLANTED(output_taken_for_zero, 1, 128, 0, unwritten_read),
      HEED_PLANTED(waits_for_one_copy_too_few, 1, 64, 512, copy_not_awaited),
      HEED_PLANTED(own_copies_awaited_only, 1, 64, 256, race, copy_not_awaited, unwritten_read),
      HEED_PLANTED(copy_never_committed, 1, 64, 64, copy_not_awaited),
      HEED_PLANTED(stage_refilled_too_early, 1, 64, 64, race, copy_not_awaited),
  };
}

}  // namespace heed::emulator
