#include <bit>

#include "machine/machine.h"
#include "machine/operations.h"

namespace heed::emulator {

namespace {

template <class Operands, class F>
void for_each_lane(const Meeting& meeting, F f) {
  for (uint32_t mask = meeting.mask; mask != 0; mask &= mask - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(mask));
    f(lane, *static_cast<Operands*>(meeting.operands[lane]));
  }
}

void run_sync(Block& block, Meeting& meeting) {
  block.order_lanes(meeting.warp, meeting.mask);
}

// The lane whose value is wanted, by the PTX ISA's description of shfl.sync.
uint32_t source_of(const ShuffleOperands& wish, uint32_t lane) {
  const uint32_t begin = lane / wish.width * wish.width, end = begin + wish.width;
  switch (wish.kind) {
    case cuda::emulator::Shuffle::index:
      return begin + wish.operand % wish.width;
    case cuda::emulator::Shuffle::up:
      return lane < begin + wish.operand ? lane : lane - wish.operand;
    case cuda::emulator::Shuffle::down:
      return lane + wish.operand >= end ? lane : lane + wish.operand;
    case cuda::emulator::Shuffle::exclusive_or:
      return (lane ^ wish.operand) >= end ? lane : lane ^ wish.operand;
  }
  return lane;
}

void run_shuffle(Block& block, Meeting& meeting) {
  block.machine().site_counts.at(meeting.site).shuffles += 1;
  for_each_lane<ShuffleOperands>(meeting, [&](uint32_t lane, ShuffleOperands& wish) {
    const uint32_t source = source_of(wish, lane);
    if ((meeting.mask >> source & 1) == 0) {
      block.fail({FaultKind::wrong_mask,
                  "a shuffle asks for the value of lane " + std::to_string(source) +
                      ", which its mask does not name",
                  meeting.site,
                  {meeting.warp * 32 + lane},
                  {}});
    }
    wish.result = static_cast<const ShuffleOperands*>(meeting.operands[source])->value;
  });
}

void run_vote(Block&, Meeting& meeting) {
  uint32_t votes = 0;
  for_each_lane<BallotOperands>(meeting, [&](uint32_t lane, BallotOperands& wish) {
    votes |= static_cast<uint32_t>(wish.predicate) << lane;
  });
  for_each_lane<BallotOperands>(meeting, [&](uint32_t, BallotOperands& wish) { wish.result = votes; });
}

}  // namespace

const Operation sync_lanes{"a barrier of a warp", &run_sync};
const Operation shuffle_lanes{"a shuffle", &run_shuffle};
const Operation vote{"a vote", &run_vote};

}  // namespace heed::emulator
