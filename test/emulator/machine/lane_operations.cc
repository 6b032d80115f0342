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

void run_shuffle(Block& block, Meeting& meeting) {
  block.machine().site_counts.at(meeting.site).shuffles += 1;
  for_each_lane<ShuffleOperands>(meeting, [&](uint32_t lane, ShuffleOperands& wish) {
    if ((meeting.mask >> wish.source & 1) == 0) {
      block.fail({FaultKind::wrong_mask,
                  "a shuffle asks for the value of lane " + std::to_string(wish.source) +
                      ", which its mask does not name",
                  meeting.site,
                  {meeting.warp * 32 + lane},
                  {}});
    }
    wish.result = static_cast<const ShuffleOperands*>(meeting.operands[wish.source])->value;
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
