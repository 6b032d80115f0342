#include "machine/block.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "machine/machine.h"
#include "machine/report.h"

namespace heed::emulator {

namespace {
thread_local Stacks stacks;
}

Block::Block(Machine& machine, const cuda::emulator::Shape& shape)
    : machine_(&machine),
      shape_(shape),
      threads_(shape.threads),
      random_(machine.random.next()),
      shared_(shape.shared_bytes + 2 * guard_bytes) {
  // Aligned to 128 bytes, like CUDA's shared memory.
  const auto memory = reinterpret_cast<uintptr_t>(shared_.data());
  shared_begin_ = (memory + guard_bytes + 127) / 128 * 128;
  stacks.reserve(shape.threads);
  for (uint32_t w = 0; w < (shape.threads + 31) / 32; ++w) warps_.emplace_back(machine.site_counts);
}

void Block::run(uint32_t index, const void* parameters, size_t parameter_bytes, void (*enter)(const void*)) {
  index_ = index;
  parameters_ = parameters;
  parameter_bytes_ = parameter_bytes;
  enter_ = enter;
  std::memset(shared_.data(), 0xff, shared_.size());  // NaN in every type
  shared_shadow_.forget_contents();
  begin_ = all_before_ = next_tick();
  come_to_sync_ = done_ = 0;
  idle_accesses_ = 0;
  runnable_warps_ = 0;
  constexpr uint32_t limits[] = {64, 1024, 16384, 1u << 20};
  most_accesses_ = limits[random_.below(4)];
  for (uint32_t w = 0; w < warps_.size(); ++w) {
    Warp& warp = warps_[w];
    const uint32_t lanes = std::min(32u, shape_.threads - w * 32);
    warp.lanes = warp.runnable = lanes == 32 ? 0xffffffff : (1u << lanes) - 1;
    warp.done = 0;
    warp.meetings.clear();
    runnable_warps_ |= 1u << w;
  }
  for (uint32_t t = 0; t < shape_.threads; ++t) {
    threads_[t].index = t;
    start(threads_[t]);
  }
  finding_.reset();
  current_warp_ = random_.bit_of(runnable_warps_);
  Thread* first = choose();
  current_thread = first;
  Fiber::switch_to(host_, first->fiber);
  current_thread = nullptr;
  if (finding_) throw report(*machine_, *this, *finding_);
  for (Warp& warp : warps_) warp.requests.flush();
}

void Block::start(Thread& thread) {
  const uint32_t index = thread.index;
  thread.block = this;
  thread.lane = index % 32;
  thread.warp = index / 32;
  uint8_t* bottom = stacks.bottom(index);
  uint8_t* top = stacks.top(index);
  thread.fiber = Fiber(bottom, top, &Block::enter_thread);
  thread.stack_bottom = reinterpret_cast<uintptr_t>(bottom);
  thread.stack_top = reinterpret_cast<uintptr_t>(top);
  thread.done = false;
  thread.tick = begin_;
  thread.knowledge = {};
  thread.accesses_left = 1 + random_.below(most_accesses_);
  thread.waiting = Waiting::nothing;
  thread.uncommitted.clear();
  thread.groups.clear();
}

void Block::enter_thread() {
  Block& block = *current_thread->block;
  block.enter_(block.parameters_);
  block.end(*current_thread);
}

void Block::end(Thread& thread) {
  thread.done = true;
  ++done_;
  Warp& warp = warps_[thread.warp];
  warp.done |= 1u << thread.lane;
  for (const Meeting& meeting : warp.meetings) {
    if ((meeting.mask & ~meeting.come & 1u << thread.lane) != 0) {
      fail({FaultKind::wrong_mask,
            std::string("a thread has ended that others wait for at ") + meeting.operation->name,
            meeting.site,
            {thread.index},
            {}});
    }
  }
  if (come_to_sync_ > 0) {
    fail({FaultKind::missing_barrier,
          "a thread has ended without coming to this barrier, where others wait",
          sync_site_,
          {thread.index},
          {}});
  }
  if (warp.done == warp.lanes) warp.requests.flush();
  next(nullptr);
  __builtin_unreachable();
}

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

void Block::fail(Finding finding) {
  finding_ = std::move(finding);
  Fiber abandoned;
  Fiber::switch_to(abandoned, host_);
  __builtin_unreachable();
}

// Usually another lane of the same warp, whose data is still in the cache.
Thread* Block::choose() {
  if (runnable_warps_ == 0) return nullptr;
  if ((runnable_warps_ >> current_warp_ & 1) == 0 || random_.below(32) == 0) {
    current_warp_ = random_.bit_of(runnable_warps_);
  }
  Warp& warp = warps_[current_warp_];
  const uint32_t lane = random_.bit_of(warp.runnable);
  warp.runnable &= ~(1u << lane);
  if (warp.runnable == 0) runnable_warps_ &= ~(1u << current_warp_);
  return &threads_[current_warp_ * 32 + lane];
}

void Block::next(Thread* left) {
  Fiber ended;
  Fiber& here = left == nullptr ? ended : left->fiber;
  Thread* chosen = choose();
  if (chosen == nullptr) {
    if (done_ < shape_.threads) fail_blocked();
    Fiber::switch_to(here, host_);
    return;
  }
  if (chosen == left) return;
  current_thread = chosen;
  Fiber::switch_to(here, chosen->fiber);
}

void Block::wait(Thread& thread, Waiting what, uint32_t site) {
  thread.waiting = what;
  thread.waiting_site = site;
  next(&thread);
}

void Block::wake(Thread& thread) {
  thread.waiting = Waiting::nothing;
  warps_[thread.warp].runnable |= 1u << thread.lane;
  runnable_warps_ |= 1u << thread.warp;
}

void Block::give_turn(Thread& thread) {
  warps_[thread.warp].runnable |= 1u << thread.lane;
  runnable_warps_ |= 1u << thread.warp;
  next(&thread);
}

void Block::take_turn_after_access(Thread& thread, uint32_t site) {
  constexpr uint64_t endless = 20'000'000;
  if (--thread.accesses_left > 0) return;
  thread.accesses_left = 1 + random_.below(most_accesses_);
  idle_accesses_ += thread.accesses_left;
  if (idle_accesses_ > endless) {
    fail({FaultKind::endless, "threads run on and never meet", site, {thread.index}, {}});
  }
  give_turn(thread);
}

void Block::fail_blocked() {
  Finding finding{FaultKind::deadlock, "every thread waits for another", 0, {}, {}};
  // Prints one line per place and kind of waiting.
  using Place = std::pair<uint32_t, Waiting>;
  std::vector<std::pair<Place, std::vector<uint32_t>>> places;
  for (const Thread& thread : threads_) {
    if (thread.done) continue;
    finding.threads.push_back(thread.index);
    const Place key{thread.waiting_site, thread.waiting};
    auto place = std::find_if(places.begin(), places.end(), [&](const auto& p) { return p.first == key; });
    if (place == places.end()) {
      places.push_back({key, {}});
      place = places.end() - 1;
    }
    place->second.push_back(thread.index);
  }
  finding.site = places.front().first.first;
  for (const auto& [place, threads] : places) {
    const auto [site, waiting] = place;
    const std::string what =
        waiting == Waiting::warp ? "for other lanes of their warp" : "at the block's barrier";
    finding.others.emplace_back(site, describe(threads) + " wait " + what);
  }
  fail(std::move(finding));
}

}  // namespace heed::emulator
