// Meetings of a warp's lanes.
#include <algorithm>
#include <bit>

#include "machine/block.h"
#include "machine/machine.h"
#include "machine/report.h"

namespace heed::emulator {

namespace {

std::vector<uint32_t> threads_of(uint32_t warp, uint32_t mask) {
  std::vector<uint32_t> threads;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) != 0) threads.push_back(warp * 32 + lane);
  }
  return threads;
}

}  // namespace

void Block::meet(Thread& thread, const Operation& operation, uint32_t variant, uint32_t mask, void* operands,
                 uint32_t site) {
  Warp& warp = warps_[thread.warp];
  const uint32_t bit = 1u << thread.lane;
  if ((mask & bit) == 0) {
    fail({FaultKind::wrong_mask,
          std::string("a thread comes to ") + operation.name + ", whose mask does not name it",
          site,
          {thread.index},
          {}});
  }
  if (const uint32_t missing = mask & (warp.done | ~warp.lanes); missing != 0) {
    fail({FaultKind::wrong_mask,
          std::string("the mask of ") + operation.name + " names lanes that have ended or never were",
          site,
          threads_of(thread.warp, missing),
          {}});
  }
  auto meeting = std::find_if(warp.meetings.begin(), warp.meetings.end(),
                              [&](const Meeting& other) { return (other.mask & mask) != 0; });
  if (meeting == warp.meetings.end()) {
    warp.meetings.emplace_back();
    meeting = warp.meetings.end() - 1;
    *meeting = {&operation, variant, mask, 0, site, thread.warp, {}, {}};
  } else if (meeting->operation != &operation || meeting->variant != variant) {
    fail({FaultKind::divergent_warp,
          std::string("a lane comes to ") + operation.name + " while others wait for it at " +
              meeting->operation->name,
          site,
          {thread.index},
          {{meeting->site, describe(threads_of(thread.warp, meeting->come)) + " wait here"}}});
  } else if (meeting->mask != mask) {
    fail({FaultKind::wrong_mask,
          std::string("lanes come to ") + operation.name + " with different masks",
          site,
          {thread.index},
          {{meeting->site, describe(threads_of(thread.warp, meeting->come)) + " came with another"}}});
  } else if (meeting->site != site && !machine_->sites.same_line(meeting->site, site)) {
    fail({FaultKind::divergent_warp,
          std::string("lanes meet at different lines, each at ") + operation.name,
          site,
          {thread.index},
          {{meeting->site, describe(threads_of(thread.warp, meeting->come)) + " wait here"}}});
  }
  meeting->come |= bit;
  meeting->operands[thread.lane] = operands;
  meeting->sites[thread.lane] = site;
  if (meeting->come != mask) {
    wait(thread, Waiting::warp, site);
    return;
  }
  Meeting complete = *meeting;
  warp.meetings.erase(meeting);
  if (mask == warp.lanes) warp.requests.flush();
  idle_accesses_ = 0;
  operation.run(*this, complete);
  for (uint32_t others = mask & ~bit; others != 0; others &= others - 1) {
    Thread& other = threads_[thread.warp * 32 + static_cast<uint32_t>(std::countr_zero(others))];
    wake(other);
  }
}

// Makes the accesses of the lanes of the mask known to all of them.
void Block::order_lanes(uint32_t warp, uint32_t mask) {
  const Tick tick = next_tick();
  std::array<Tick, 32> joined{};
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const Thread& member = threads_[warp * 32 + lane];
    for (uint32_t l = 0; l < 32; ++l) joined[l] = std::max(joined[l], member.knowledge[l]);
    joined[lane] = tick;
  }
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    Thread& member = threads_[warp * 32 + lane];
    member.knowledge = joined;
    member.tick = tick;
  }
}

}  // namespace heed::emulator
