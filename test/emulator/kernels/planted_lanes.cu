// Lanes of a warp that are not all there.
#include "cuda/device/matrix.cuh"
#include "cuda/device/warp.cuh"
#include "kernels/planted.cuh"

namespace heed::emulator {

namespace {

namespace warp = cuda::warp;

template <bool planted>
__global__ void half_a_warp_shuffles_for_all(PlantedOperands p) {
  const uint32_t t = thread::index();
  float x = p.in[t];
  if (t < 16) x += warp::shuffle_xor(x, 1, planted ? 0xffffffff : 0xffff);  // found here
  p.out[t] = x;
}

template <bool planted>
__global__ void mask_without_oneself(PlantedOperands p) {
  const uint32_t t = thread::index();
  const uint32_t mask = planted ? 0x7fffffff : 0xffffffff;
  p.out[t] = warp::any(p.in[t] > 0, mask) ? 1.0f : 0.0f;  // found here
}

template <bool planted>
__global__ void shuffle_from_outside_the_mask(PlantedOperands p) {
  const uint32_t t = thread::index();
  float x = p.in[t];
  if (t < 16) x = warp::shuffle(x, planted ? 16 : 15, 0xffff);  // found here
  p.out[t] = x;
}

template <bool planted>
__global__ void lanes_at_two_shuffles(PlantedOperands p) {
  const uint32_t t = thread::index();
  float x = p.in[t];
  if (planted && t % 2 == 0) {
    x = warp::shuffle_xor(x, 1);  // found here
  } else {
    x = warp::shuffle_xor(x, 3);  // found here
  }
  p.out[t] = x;
}

template <bool planted>
__global__ void votes_where_others_synchronise(PlantedOperands p) {
  const uint32_t t = thread::index();
  bool vote = false;
  if (planted && t < 8) {
    vote = warp::any(p.in[t] > 2);  // found here
  } else {
    warp::sync();  // found here
  }
  p.out[t] = vote ? 1.0f : 0.0f;
}

template <bool planted>
__global__ void matrix_instruction_in_a_branch(PlantedOperands p) {
  const uint32_t t = thread::index();
  float sums[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (!planted || t != 7) warp::multiply_accumulate<cuda::Float16>(sums, a, b);  // found here
  p.out[t] = sums[0] + p.in[t];
}

}  // namespace

std::vector<PlantedBug> planted_lanes() {
  using enum FaultKind;
  return {
      HEED_PLANTED(half_a_warp_shuffles_for_all, 1, 32, 0, wrong_mask),
      HEED_PLANTED(mask_without_oneself, 1, 32, 0, wrong_mask),
      HEED_PLANTED(shuffle_from_outside_the_mask, 1, 32, 0, wrong_mask),
      HEED_PLANTED(lanes_at_two_shuffles, 1, 32, 0, divergent_warp),
      HEED_PLANTED(votes_where_others_synchronise, 1, 32, 0, divergent_warp),
      HEED_PLANTED(matrix_instruction_in_a_branch, 1, 32, 0, wrong_mask),
  };
}

}  // namespace heed::emulator
