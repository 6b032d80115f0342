// Barriers of a block: the one for all threads, and the numbered ones for some warps.
#include <string>

#include "machine/block.h"
#include "machine/machine.h"
#include "machine/report.h"

namespace heed::emulator {

void Block::sync(Thread& thread, uint32_t site) {
  if (done_ > 0) {
    fail({FaultKind::missing_barrier,
          "threads wait at a barrier that others have ended without coming to",
          site,
          {thread.index},
          {}});
  }
  if (come_to_sync_ == 0) {
    sync_site_ = site;
  } else if (sync_site_ != site && !machine_->sites.same_line(sync_site_, site)) {
    fail({FaultKind::divergent_barrier,
          "threads meet at different lines, each a barrier for the whole block",
          site,
          {thread.index},
          {{sync_site_, "others wait here"}}});
  }
  if (++come_to_sync_ < shape_.threads) {
    wait(thread, Waiting::block, site);
    return;
  }
  come_to_sync_ = 0;
  idle_accesses_ = 0;
  all_before_ = next_tick();
  machine_->site_counts.at(site).barriers += 1;
  for (Warp& warp : warps_) warp.requests.flush();
  for (Thread& other : threads_) {
    other.tick = all_before_;
    if (&other != &thread) wake(other);
  }
}

namespace {

struct BarrierOperands {
  uint32_t barrier, threads;
};

template <bool wait>
void run_barrier(Block& block, Meeting& meeting) {
  const auto& first = *static_cast<const BarrierOperands*>(meeting.operands[0]);
  for (const void* operands : meeting.operands) {
    const auto& other = *static_cast<const BarrierOperands*>(operands);
    if (other.barrier != first.barrier || other.threads != first.threads) {
      block.fail(
          {FaultKind::divergent_barrier, "lanes of a warp come to different barriers", meeting.site, {}, {}});
    }
  }
  block.come_to_barrier(meeting.warp, first.barrier, first.threads, meeting.site, wait);
}

constexpr Operation sync_operation{"a numbered barrier (sync)", &run_barrier<true>};
constexpr Operation arrive_operation{"a numbered barrier (arrive)", &run_barrier<false>};

}  // namespace

void Block::sync(Thread& thread, uint32_t barrier, uint32_t threads, uint32_t site) {
  BarrierOperands operands{barrier, threads};
  meet(thread, sync_operation, 0, 0xffffffff, &operands, site);
}

void Block::arrive(Thread& thread, uint32_t barrier, uint32_t threads, uint32_t site) {
  BarrierOperands operands{barrier, threads};
  meet(thread, arrive_operation, 0, 0xffffffff, &operands, site);
}

void Block::come_to_barrier(uint32_t warp, uint32_t number, uint32_t threads, uint32_t site, bool waits) {
  const std::vector<uint32_t> first_thread{warp * 32};
  if (number < 1 || number > 15) {
    fail({FaultKind::wrong_barrier,
          "numbered barriers are 1 to 15, this is " + std::to_string(number),
          site,
          first_thread,
          {}});
  }
  if (threads % 32 != 0 || threads == 0 || threads > shape_.threads) {
    fail({FaultKind::wrong_barrier,
          "a barrier is for a multiple of 32 threads of the block, not for " + std::to_string(threads),
          site,
          first_thread,
          {}});
  }
  Barrier& barrier = barriers_[number];
  if (barrier.come == 0) {
    barrier = {};
    barrier.threads = threads;
    barrier.site = site;
  } else if (barrier.threads != threads) {
    fail({FaultKind::wrong_barrier,
          "warps come to one barrier for " + std::to_string(barrier.threads) + " and for " +
              std::to_string(threads) + " threads",
          site,
          first_thread,
          {{barrier.site, "the first came here"}}});
  }
  // What the warp has done so far happens before what is behind the barrier.
  const Tick tick = next_tick();
  for (uint32_t lane = 0; lane < 32; ++lane) {
    Thread& member = threads_[warp * 32 + lane];
    barrier.joined.learn_warps(member.knowledge);
    member.tick = tick;
  }
  barrier.joined.warps[warp] = tick;
  barrier.come += 32;
  if (waits) {
    barrier.waiting_warps |= 1u << warp;
    for (uint32_t lane = 0; lane < 32; ++lane) {
      Thread& member = threads_[warp * 32 + lane];
      member.waiting = Waiting::barrier;
      member.waiting_site = site;
      member.barrier = number;
    }
  }
  if (barrier.come < barrier.threads) return;
  for (uint32_t w = 0; w < warps_.size(); ++w) {
    if ((barrier.waiting_warps >> w & 1) == 0) continue;
    for (uint32_t lane = 0; lane < 32; ++lane) {
      Thread& member = threads_[w * 32 + lane];
      member.knowledge.learn_warps(barrier.joined);
      if (&member == current_thread) {
        member.waiting = Waiting::nothing;
      } else {
        wake(member);
      }
    }
  }
  machine_->site_counts.at(site).barriers += 1;
  barrier = {};
}

}  // namespace heed::emulator
