// The history of memory: for each word of 4 bytes, the last accesses of different threads, which bytes have
// been written, and which bytes a pending asynchronous copy will write.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "machine/clock.h"

namespace heed::emulator {

// One access to bytes of a word, in 64 bits.
class Record {
 public:
  Record() = default;
  Record(Tick tick, uint32_t site, bool atomic, uint32_t thread, uint32_t bytes)
      : bits_(tick << 30 | uint64_t{site} << 15 | uint64_t{atomic} << 14 | uint64_t{thread} << 4 | bytes) {}
  Tick tick() const { return bits_ >> 30; }
  uint32_t site() const { return bits_ >> 15 & 0x7fff; }
  bool atomic() const { return (bits_ >> 14 & 1) != 0; }
  uint32_t thread() const { return bits_ >> 4 & 0x3ff; }
  uint32_t bytes() const { return bits_ & 15; }  // one bit per byte
  bool operator==(const Record& other) const = default;

 private:
  uint64_t bits_ = 0;
};

struct Word {
  Record writes[2], reads[2];  // newest first, by different threads
};

struct ShadowPage {
  static constexpr size_t bytes = 4096, words = bytes / 4;
  Word accesses[words];
  uint8_t written[words];  // one bit per byte
  uint8_t pending[words];
};

// The shadow of a range of memory, allocated on demand.
class Shadow {
 public:
  // `written`: whether the memory is initialised from the beginning.
  explicit Shadow(bool written) : written_(written) {}
  ShadowPage& page(size_t offset) {
    const size_t number = offset / ShadowPage::bytes;
    if (number == last_number_) return *last_;
    std::unique_ptr<ShadowPage>& page = pages_[number];
    if (page == nullptr) {
      page = std::make_unique<ShadowPage>();
      std::memset(page->written, written_ ? 15 : 0, sizeof page->written);
    }
    last_number_ = number;
    last_ = page.get();
    return *page;
  }
  bool is_written(size_t offset) {
    return (page(offset).written[offset % ShadowPage::bytes / 4] >> offset % 4 & 1) != 0;
  }
  // For writes that are not made by a kernel.
  void set_written(size_t offset, bool written) {
    uint8_t& bits = page(offset).written[offset % ShadowPage::bytes / 4];
    const auto bit = static_cast<uint8_t>(1 << offset % 4);
    bits = static_cast<uint8_t>(written ? bits | bit : bits & ~bit);
  }
  void set_written(size_t begin, size_t end) {
    while (begin < end) {
      if (begin % 4 == 0 && end - begin >= 4) {
        const size_t first = begin % ShadowPage::bytes / 4;
        const size_t words = std::min(ShadowPage::words - first, (end - begin) / 4);
        std::memset(page(begin).written + first, 15, words);
        begin += words * 4;
      } else {
        set_written(begin++, true);
      }
    }
  }
  // Marks everything as unwritten and not pending. Accesses stay: they are older than later ones.
  void forget_contents() {
    for (auto& [number, page] : pages_) {
      std::memset(page->written, 0, sizeof page->written);
      std::memset(page->pending, 0, sizeof page->pending);
    }
  }

 private:
  bool written_;
  std::unordered_map<size_t, std::unique_ptr<ShadowPage>> pages_;
  size_t last_number_ = SIZE_MAX;
  ShadowPage* last_ = nullptr;
};

}  // namespace heed::emulator
