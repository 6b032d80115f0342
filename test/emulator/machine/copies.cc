// cp.async: copied data arrives when the thread waits for it, no earlier.
#include <cstring>

#include "machine/block.h"
#include "machine/machine.h"
#include "machine/report.h"

namespace heed::emulator {

void Block::copy_async(Thread& thread, const AsyncCopy& copy) {
  using cuda::emulator::Space;
  if (copy.valid_bytes > copy.bytes) {
    fail({FaultKind::out_of_bounds,
          "a copy is told to read more bytes than it writes",
          copy.site,
          {thread.index},
          {}});
  }
  if (copy.from % copy.bytes != 0) fail_misaligned(thread, copy.bytes, Kind::read, copy.site);
  if (copy.to % copy.bytes != 0) fail_misaligned(thread, copy.bytes, Kind::write, copy.site);
  // The hardware may access either side from now until the copy completes.
  if (copy.valid_bytes > 0) {
    check_space(Space::global, thread, copy.from, copy.valid_bytes, Kind::read, copy.site);
    global_access(thread, *machine_->memory.find(copy.from), copy.from, copy.valid_bytes, Kind::read,
                  copy.site);
  }
  check_space(Space::shared, thread, copy.to, copy.bytes, Kind::write, copy.site);
  shared_access(thread, copy.to, copy.bytes, Kind::write, copy.site);
  const size_t offset = copy.to - shared_begin_;
  for (size_t byte = offset; byte < offset + copy.bytes; byte += 4) {
    shared_shadow_.page(byte).pending[byte % ShadowPage::bytes / 4] = 15;
  }
  thread.uncommitted.push_back(copy);
}

void Block::land_copies(Thread& thread, uint32_t pending_groups) {
  while (thread.groups.size() > pending_groups) {
    for (const AsyncCopy& copy : thread.groups.front()) {
      auto* to = reinterpret_cast<uint8_t*>(copy.to);
      std::memcpy(to, reinterpret_cast<const void*>(copy.from), copy.valid_bytes);
      std::memset(to + copy.valid_bytes, 0, copy.bytes - copy.valid_bytes);
      const size_t offset = copy.to - shared_begin_;
      for (size_t byte = offset; byte < offset + copy.bytes; byte += 4) {
        ShadowPage& page = shared_shadow_.page(byte);
        const size_t word = byte % ShadowPage::bytes / 4;
        page.pending[word] = 0;
        check_word(thread, page.accesses[word], 15, Kind::write, copy.site, true);
      }
    }
    thread.groups.pop_front();
  }
}

}  // namespace heed::emulator
