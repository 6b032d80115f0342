// Checks the memory accesses of threads.
#include <algorithm>
#include <string>

#include "machine/block.h"
#include "machine/constants.h"
#include "machine/machine.h"
#include "machine/report.h"

namespace heed::emulator {

namespace {

const char* name_of(Block::Kind kind) {
  return kind == Block::Kind::read ? "reads" : kind == Block::Kind::write ? "writes" : "changes";
}

std::string bytes_of(uint32_t bytes) {
  return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
}

}  // namespace

bool Block::is_ordered(const Thread& thread, const Record& record, bool shared) const {
  const Tick tick = record.tick();
  // Accesses to global memory by blocks of one launch are not ordered.
  if (tick < begin_) return shared || tick < machine_->launch_begin;
  if (record.thread() == thread.index || tick < all_before_) return true;
  return record.thread() / 32 == thread.warp && tick < thread.knowledge[record.thread() % 32];
}

void Block::check_word(Thread& thread, Word& word, uint32_t bytes, Kind kind, uint32_t site, bool shared) {
  const bool atomic = kind == Kind::atomic;
  const Record now(thread.tick, site, atomic, thread.index, bytes);
  if (kind == Kind::read && word.reads[0] == now) return;
  const auto races = [&](const Record& before) {
    return (before.bytes() & bytes) != 0 && !(atomic && before.atomic()) &&
           !is_ordered(thread, before, shared);
  };
  for (const Record& before : word.writes) {
    if (races(before)) fail_race(thread, kind, site, shared, before, "has written");
  }
  if (kind != Kind::read) {
    for (const Record& before : word.reads) {
      if (races(before)) fail_race(thread, kind, site, shared, before, "has read");
    }
  }
  Record(&slots)[2] = kind == Kind::read ? word.reads : word.writes;
  if (slots[0].thread() != thread.index || (slots[0].bytes() & ~bytes) != 0) slots[1] = slots[0];
  slots[0] = now;
}

void Block::fail_race(Thread& thread, Kind kind, uint32_t site, bool shared, const Record& before,
                      const char* what) {
  const bool other_block = before.tick() < begin_;
  fail({FaultKind::race,
        std::string("a thread ") + name_of(kind) + (shared ? " shared" : " global") +
            " memory that another " + what + ", and nothing orders the two",
        site,
        {thread.index},
        {{before.site(), "thread " + std::to_string(before.thread()) +
                             (other_block ? " of another block" : "") + " " + what + " it here"}}});
}

void Block::touch(Thread& thread, Shadow& shadow, size_t offset, uint32_t bytes, Kind kind, uint32_t site,
                  bool shared) {
  for (const size_t last = offset + bytes; offset < last;) {
    ShadowPage& page = shadow.page(offset);
    const size_t word = offset % ShadowPage::bytes / 4, first = offset % 4;
    const size_t count = std::min(last - offset, 4 - first);
    const auto mask = static_cast<uint8_t>(((1u << count) - 1) << first);
    if ((page.pending[word] & mask) != 0) fail_not_awaited(thread, kind, site, page.accesses[word].writes[0]);
    if (kind != Kind::write && (page.written[word] & mask) != mask) fail_unwritten(thread, site, shared);
    check_word(thread, page.accesses[word], mask, kind, site, shared);
    if (kind != Kind::read) page.written[word] |= mask;
    offset += count;
  }
}

void Block::fail_not_awaited(Thread& thread, Kind kind, uint32_t site, const Record& copy) {
  fail({FaultKind::copy_not_awaited,
        std::string("a thread ") + name_of(kind) +
            " what cp.async copies to, before the copying thread has waited for it",
        site,
        {thread.index},
        {{copy.site(), "thread " + std::to_string(copy.thread()) + " started a copy here"}}});
}

void Block::fail_unwritten(Thread& thread, uint32_t site, bool shared) {
  fail({FaultKind::unwritten_read,
        std::string("a thread reads ") + (shared ? "shared" : "global") + " memory that nobody has written",
        site,
        {thread.index},
        {}});
}

void Block::fail_outside(Thread& thread, uintptr_t address, uint32_t bytes, Kind kind, uint32_t site) {
  const auto fail_at = [&](const std::string& where) {
    fail({FaultKind::out_of_bounds,
          std::string("a thread ") + name_of(kind) + " " + bytes_of(bytes) + " " + where,
          site,
          {thread.index},
          {}});
  };
  const uintptr_t shared_end = shared_begin_ + shape_.shared_bytes;
  if (address >= shared_begin_ - guard_bytes / 2 && address < shared_end + guard_bytes) {
    if (address < shared_begin_)
      fail_at(std::to_string(shared_begin_ - address) + " bytes before shared memory");
    fail_at("at byte " + std::to_string(address - shared_begin_) + " of shared memory, which has " +
            std::to_string(shape_.shared_bytes));
  }
  if (const Region* region = machine_->memory.nearest_below(address + 256); region != nullptr) {
    if (address < region->begin) {
      fail_at(std::to_string(region->begin - address) + " bytes before " + region->name);
    }
    fail_at("at byte " + std::to_string(address - region->begin) + " of " + region->name + ", which has " +
            std::to_string(region->end - region->begin));
  }
  fail_at("where no memory was given to the kernel");
  __builtin_unreachable();
}

void Block::fail_misaligned(Thread& thread, uint32_t bytes, Kind kind, uint32_t site) {
  fail({FaultKind::misaligned,
        std::string("a thread ") + name_of(kind) + " " + bytes_of(bytes) +
            " at once, at an address that is no multiple of that",
        site,
        {thread.index},
        {}});
}

void Block::access(Thread& thread, uintptr_t address, uint32_t bytes, Kind kind, uint32_t site,
                   bool one_instruction) {
  // The stack stands for registers and spilled values.
  if (address >= thread.stack_bottom && address < thread.stack_top) return;
  if (one_instruction && address % bytes != 0) {
    fail_misaligned(thread, bytes, kind, site);
  }
  if (is_shared(address)) {
    shared_access(thread, address, bytes, kind, site);
  } else if (Region* region = machine_->memory.find(address); region != nullptr) {
    global_access(thread, *region, address, bytes, kind, site);
  } else {
    const auto parameters = reinterpret_cast<uintptr_t>(parameters_);
    const bool parameter = address >= parameters && address + bytes <= parameters + parameter_bytes_;
    if (kind != Kind::read || !(parameter || is_constant(address, bytes)))
      fail_outside(thread, address, bytes, kind, site);
    return;
  }
  take_turn_after_access(thread, site);
}

void Block::count_access(const Thread& thread, Access kind, uintptr_t address, uint32_t bytes,
                         uint32_t site) {
  if (machine_->counting) warps_[thread.warp].requests.add(site, kind, thread.lane, address, bytes);
}

void Block::shared_access(Thread& thread, uintptr_t address, uint32_t bytes, Kind kind, uint32_t site) {
  const size_t offset = address - shared_begin_;
  if (offset + bytes > shape_.shared_bytes) fail_outside(thread, address, bytes, kind, site);
  touch(thread, shared_shadow_, offset, bytes, kind, site, true);
  const Access request = kind == Kind::read    ? Access::shared_load
                         : kind == Kind::write ? Access::shared_store
                                               : Access::atomic;
  count_access(thread, request, address, bytes, site);
}

void Block::global_access(Thread& thread, Region& region, uintptr_t address, uint32_t bytes, Kind kind,
                          uint32_t site) {
  if (address + bytes > region.end) fail_outside(thread, address, bytes, kind, site);
  if (!region.read_only) {
    touch(thread, region.shadow, address - region.begin / 4 * 4, bytes, kind, site, false);
  } else if (kind != Kind::read) {
    fail({FaultKind::read_only,
          std::string("a thread ") + name_of(kind) + " " + region.name + ", an input",
          site,
          {thread.index},
          {}});
  }
  const Access request = kind == Kind::read    ? Access::global_load
                         : kind == Kind::write ? Access::global_store
                                               : Access::atomic;
  count_access(thread, request, address, bytes, site);
}

void Block::access_matrix_row(Thread& thread, uintptr_t address, uint32_t site) {
  check_space(cuda::emulator::Space::shared, thread, address, 16, Kind::read, site);
  if (address % 16 != 0) fail_misaligned(thread, 16, Kind::read, site);
  if (address - shared_begin_ + 16 > shape_.shared_bytes) fail_outside(thread, address, 16, Kind::read, site);
  touch(thread, shared_shadow_, address - shared_begin_, 16, Kind::read, site, true);
}

void Block::check_space(cuda::emulator::Space space, Thread& thread, uintptr_t address, uint32_t bytes,
                        Kind kind, uint32_t site) {
  const bool shared = is_shared(address);
  const bool global = !shared && machine_->memory.find(address) != nullptr;
  const bool wants_shared = space == cuda::emulator::Space::shared;
  if ((shared && !wants_shared) || (global && wants_shared)) {
    fail({FaultKind::wrong_space,
          std::string("a thread takes ") + (shared ? "shared" : "global") + " memory for " +
              (shared ? "global" : "shared"),
          site,
          {thread.index},
          {}});
  }
  if (!shared && !global) fail_outside(thread, address, bytes, kind, site);
}

void Block::access_in(cuda::emulator::Space space, Thread& thread, uintptr_t address, uint32_t bytes,
                      Kind kind, uint32_t site) {
  check_space(space, thread, address, bytes, kind, site);
  access(thread, address, bytes, kind, site, true);
}

}  // namespace heed::emulator
